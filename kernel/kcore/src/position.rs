//! Where an open file is read and written next.
//!
//! # Protocol
//! A read or write first moves the position past the bytes that it wants, and then copies them without
//! the lock, since touching a program's memory may take long. So each byte goes to one reader, and
//! writers do not overwrite each other. If the copy ends early, the position goes
//! [back](Position::move_back), unless somebody has moved it meanwhile.

use crate::{
    errno::Errno,
    sync::{SpinLock, seeded},
};

/// See the module.
#[derive(Debug)]
pub struct Position(SpinLock<u64>);

impl Position {
    /// The greatest: programs count in signed words.
    pub const MAX: u64 = i64::MAX as u64;

    /// At the start.
    #[must_use]
    pub fn new() -> Self {
        Self(SpinLock::new(0))
    }

    /// Moves on to where `next` says; returns from where, and to where. `next` runs under the lock.
    ///
    /// # Errors
    /// Those of `next`; nothing has moved then.
    pub fn advance<E>(&self, next: impl FnOnce(u64) -> Result<u64, E>) -> Result<(u64, u64), E> {
        if seeded("a position is moved in two steps") {
            let from = *self.0.lock();
            let to = next(from)?;
            *self.0.lock() = to;
            return Ok((from, to));
        }
        let mut position = self.0.lock();
        let from = *position;
        *position = next(from)?;
        Ok((from, *position))
    }

    /// Moves past at most `len` of the bytes up to `size`; returns the range.
    pub fn claim_read(&self, len: u64, size: impl FnOnce() -> u64) -> (u64, u64) {
        let next = |from: u64| {
            Ok::<_, core::convert::Infallible>(from + size().saturating_sub(from).min(len))
        };
        let Ok(range) = self.advance(next);
        range
    }

    /// Moves past `len` bytes that will be written, as far as positions go; returns the range.
    pub fn claim_write(&self, len: u64) -> (u64, u64) {
        let next =
            |from: u64| Ok::<_, core::convert::Infallible>(from.saturating_add(len).min(Self::MAX));
        let Ok(range) = self.advance(next);
        range
    }

    /// Moves from `expected` back to `to`, unless somebody else has moved it.
    pub fn move_back(&self, expected: u64, to: u64) {
        let mut position = self.0.lock();
        if *position == expected {
            *position = to;
        }
    }

    /// Moves to `offset` from the start (`whence` 0), the position (1) or the end (2).
    ///
    /// # Errors
    /// `EINVAL` before the start, beyond [`MAX`](Self::MAX), and for an unknown `whence`.
    pub fn seek(&self, offset: i64, whence: u64, size: impl FnOnce() -> u64) -> Result<u64, Errno> {
        let (_, to) = self.advance(|from| {
            let base = match whence {
                0 => 0,
                1 => from,
                2 => size(),
                _ => return Err(Errno::EINVAL),
            };
            let new = base.checked_add_signed(offset);
            new.filter(|new| *new <= Self::MAX).ok_or(Errno::EINVAL)
        })?;
        Ok(to)
    }
}

impl Default for Position {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn reads_end_with_the_file_and_writes_do_not() {
        let position = Position::new();
        assert_eq!(position.claim_read(4, || 6), (0, 4));
        assert_eq!(position.claim_read(4, || 6), (4, 6));
        assert_eq!(position.claim_read(4, || 6), (6, 6));
        assert_eq!(position.claim_write(10), (6, 16));
        assert_eq!(position.claim_read(4, || 6), (16, 16), "beyond the end");
        assert_eq!(position.claim_write(u64::MAX), (16, Position::MAX));
        assert_eq!(position.claim_write(1), (Position::MAX, Position::MAX));
    }

    #[test]
    fn a_copy_that_failed_goes_back_if_nobody_has_moved_on() {
        let position = Position::new();
        let (from, to) = position.claim_read(4, || 100);
        position.move_back(to, from);
        assert_eq!(position.claim_read(4, || 100), (0, 4));
        let (from, to) = position.claim_read(4, || 100);
        assert_eq!(position.claim_read(4, || 100), (8, 12));
        position.move_back(to, from);
        assert_eq!(position.claim_read(4, || 100), (12, 16));
    }

    #[test]
    fn a_seek_stays_where_positions_are() {
        let position = Position::new();
        let seek = |offset, whence| position.seek(offset, whence, || 50);
        assert_eq!(seek(-1, 2), Ok(49));
        assert_eq!(seek(1, 1), Ok(50));
        assert_eq!(seek(100, 0), Ok(100));
        for (offset, whence) in [(-101, 1), (-51, 2), (-1, 0), (0, 3), (i64::MIN, 1)] {
            assert_eq!(
                seek(offset, whence),
                Err(Errno::EINVAL),
                "{offset} {whence}"
            );
        }
        assert_eq!(seek(0, 1), Ok(100), "nothing has moved");
        assert_eq!(seek(i64::MAX, 0), Ok(Position::MAX));
        assert_eq!(seek(1, 1), Err(Errno::EINVAL));
    }
}
