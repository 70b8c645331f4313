//! What can be behind a descriptor.
//!
//! # Who owns what
//! An open file is shared by all descriptors that were made from one another, so they share its
//! [`Position`].

use alloc::{sync::Arc, vec::Vec};

use kcore::{DirectoryId, Errno, PAGE_SIZE, PageFrame as _, Position, UserRange, console::Stream};

use crate::{
    console,
    fs::{
        descriptors::Flags,
        pages::DataPage,
        pieces::{PIECE_LEN, in_pieces},
        pipe::PipeEnd,
        root::{self, File},
    },
    ipc::socket::Listener,
    mm::{frames::Frame, uaccess},
};

/// How a program sees an entry of a directory: its number, and its name up to a NUL.
const ENTRY_LEN: usize = 8 + 256;

/// An open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    kind: Kind,
    flags: Flags,
    position: Position,
}

#[derive(Debug)]
enum Kind {
    Console(Stream),
    File(Arc<File>),
    Directory(DirectoryId),
    /// One or two ends of pipes: a pipe's end, or a socket.
    Stream {
        read: Option<PipeEnd>,
        write: Option<PipeEnd>,
    },
    Listener(Listener),
}

impl OpenFile {
    fn new(kind: Kind, flags: Flags) -> Self {
        Self {
            kind,
            flags,
            position: Position::new(),
        }
    }

    /// The console; written bytes go to `stream`.
    pub(super) fn console(flags: Flags, stream: Stream) -> Self {
        Self::new(Kind::Console(stream), flags)
    }

    /// A file, from its start.
    pub(super) fn file(file: Arc<File>, flags: Flags) -> Self {
        Self::new(Kind::File(file), flags)
    }

    /// A directory, from its first entry.
    pub(super) fn directory(id: DirectoryId) -> Self {
        Self::new(Kind::Directory(id), Flags::BOTH)
    }

    /// A stream: what can be read from, and what can be written to.
    pub(crate) fn stream(read: Option<PipeEnd>, write: Option<PipeEnd>) -> Self {
        let flags = Flags {
            read: read.is_some(),
            write: write.is_some(),
        };
        Self::new(Kind::Stream { read, write }, flags)
    }

    /// A socket that waits for connections; it can neither be read nor written.
    pub(crate) fn listener(listener: Listener) -> Self {
        let flags = Flags {
            read: false,
            write: false,
        };
        Self::new(Kind::Listener(listener), flags)
    }

    /// The listener, if it is one.
    pub(crate) fn as_listener(&self) -> Option<&Listener> {
        match &self.kind {
            Kind::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    /// The contents, if they can be mapped.
    pub(crate) fn contents(&self) -> Option<&'static [u8]> {
        match &self.kind {
            Kind::File(file) => file.lock().untouched(),
            _ => None,
        }
    }

    /// Copies of the pages from `offset` on, for a mapping of a file that has been written to.
    ///
    /// # Errors
    /// `EACCES` for what is no file; `ENOMEM`.
    pub(crate) fn copy_pages(&self, offset: u64, count: u64) -> Result<Vec<Frame>, Errno> {
        let Kind::File(file) = &self.kind else {
            return Err(Errno::EACCES);
        };
        let mut frames = Vec::new();
        for page in 0..count {
            let Ok(mut frame) = Frame::zeroed() else {
                frames.into_iter().for_each(Frame::release);
                return Err(Errno::ENOMEM);
            };
            let at = offset.saturating_add(page * PAGE_SIZE);
            file.lock().read(at, frame.bytes_mut());
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Reads at the position and moves it; from the console, what has been typed.
    ///
    /// # Errors
    /// `EINVAL` if not open for reading, `EISDIR`, `EINTR`; `EFAULT`, and the position stays.
    ///
    /// # Blocking
    /// On a stream, until there is a byte or nobody can write any more.
    pub(crate) fn read(&self, buffer: u64, len: u64) -> Result<u64, Errno> {
        UserRange::new(buffer, len).ok_or(Errno::EFAULT)?;
        match &self.kind {
            Kind::Directory(_) => Err(Errno::EISDIR),
            Kind::Listener(_) => Err(Errno::EINVAL),
            _ if !self.flags.read => Err(Errno::EINVAL),
            Kind::Console(_) => console::read(buffer, len),
            Kind::File(file) => self.read_file(file, buffer, len),
            Kind::Stream { read, .. } => read.as_ref().map_or(Ok(0), |end| end.read(buffer, len)),
        }
    }

    /// Writes at the position and moves it.
    ///
    /// # Errors
    /// `EINVAL` if not open for writing, `EISDIR`; if nothing was written `EFAULT`, `ENOSPC`, `EPIPE`,
    /// `EINTR`.
    ///
    /// # Blocking
    /// On a stream, until there is room.
    pub(crate) fn write(&self, buffer: u64, len: u64) -> Result<u64, Errno> {
        UserRange::new(buffer, len).ok_or(Errno::EFAULT)?;
        match &self.kind {
            Kind::Directory(_) => Err(Errno::EISDIR),
            Kind::Listener(_) => Err(Errno::EINVAL),
            _ if !self.flags.write => Err(Errno::EINVAL),
            Kind::Console(stream) => console::write(*stream, buffer, len),
            Kind::File(file) => self.write_file(file, buffer, len),
            Kind::Stream { write, .. } => {
                write.as_ref().map_or(Ok(0), |end| end.write(buffer, len))
            }
        }
    }

    fn read_file(&self, file: &File, buffer: u64, len: u64) -> Result<u64, Errno> {
        let (from, to) = self.position.claim_read(len, || file.lock().len() as u64);
        let count = to - from;
        let mut piece = [0; PIECE_LEN];
        let mut done = 0;
        while done < count {
            let piece = &mut piece[..(count - done).min(PIECE_LEN as u64) as usize];
            // Files do not get shorter.
            file.lock().read(from + done, piece);
            if let Err(error) = uaccess::copy_out(buffer + done, piece) {
                self.position.move_back(to, from);
                return Err(error);
            }
            done += piece.len() as u64;
        }
        Ok(done)
    }

    fn write_file(&self, file: &File, buffer: u64, len: u64) -> Result<u64, Errno> {
        let (from, to) = self.position.claim_write(len);
        let result = in_pieces(buffer, len, |piece, done| {
            let written = file.lock().write(from + done, piece, DataPage::new);
            written.map_err(|_| Errno::ENOSPC)
        });
        self.position.move_back(to, from + result.unwrap_or(0));
        result
    }

    /// Moves the position: whence 0 from the start, 1 from the position, 2 from the end.
    ///
    /// # Errors
    /// `EINVAL` before the start, for an unknown whence, and for what has no positions.
    pub(crate) fn seek(&self, offset: i64, whence: u64) -> Result<u64, Errno> {
        let Kind::File(file) = &self.kind else {
            return Err(Errno::EINVAL);
        };
        self.position
            .seek(offset, whence, || file.lock().len() as u64)
    }

    /// Makes sure that what was written is where it belongs: it always is.
    ///
    /// # Errors
    /// `EINVAL` for what is no file or directory.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        match &self.kind {
            Kind::File(_) | Kind::Directory(_) => Ok(()),
            Kind::Console(_) | Kind::Stream { .. } | Kind::Listener(_) => Err(Errno::EINVAL),
        }
    }

    /// Writes at most `count` entries of the directory to `out`; returns how many, 0 at the end.
    ///
    /// # Errors
    /// `ENOTDIR`; `ENOENT` if it has been removed; if nothing was written, `EFAULT`.
    pub(crate) fn read_directory(&self, out: u64, count: u64) -> Result<u64, Errno> {
        let Kind::Directory(id) = &self.kind else {
            return Err(Errno::ENOTDIR);
        };
        let len = count.checked_mul(ENTRY_LEN as u64).ok_or(Errno::EFAULT)?;
        UserRange::new(out, len).ok_or(Errno::EFAULT)?;
        for done in 0..count {
            let mut entry = [0; ENTRY_LEN];
            let (before, after) = self.position.advance(|before| {
                let next = root::next_entry(*id, before, &mut entry[8..])?;
                let (after, inode) = next.unwrap_or((before, 0));
                entry[..8].copy_from_slice(&inode.to_ne_bytes());
                Ok::<_, Errno>(after)
            })?;
            if after == before {
                return Ok(done);
            }
            if let Err(error) = uaccess::copy_out(out + done * ENTRY_LEN as u64, &entry) {
                self.position.move_back(after, before);
                return if done > 0 { Ok(done) } else { Err(error) };
            }
        }
        Ok(count)
    }
}
