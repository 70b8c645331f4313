//! How a program's bytes come into the kernel: in pieces, so that no buffer of a program's choice is
//! needed, and no lock is held while its memory is touched.

use kcore::Errno;

use crate::mm::uaccess;

/// Bytes move between programs and the kernel in pieces of this size; a piece is not mixed with others.
pub(crate) const PIECE_LEN: usize = 512;

/// Copies a program's bytes piece by piece and hands each on with its offset; the sum of what was
/// taken. A piece that is not taken whole is the last.
///
/// # Errors
/// The first error, if nothing was taken before it.
pub(crate) fn in_pieces(
    buffer: u64,
    len: u64,
    mut take: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
) -> Result<u64, Errno> {
    let mut piece = [0; PIECE_LEN];
    let mut done = 0;
    while done < len {
        let piece = &mut piece[..(len - done).min(PIECE_LEN as u64) as usize];
        let taken = uaccess::copy_in(buffer + done, piece).and_then(|()| take(piece, done));
        match taken {
            Ok(taken) => {
                done += taken as u64;
                if taken < piece.len() {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}
