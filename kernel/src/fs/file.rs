//! What can be behind a descriptor.

use kcore::{SpinLock, UserRange, console::Stream};

use crate::{console, fs::descriptors::Flags, mm::uaccess, syscall::errno::Errno};

/// An open file, shared by all descriptors that were made from one another.
#[derive(Debug)]
pub(crate) struct OpenFile {
    kind: Kind,
    flags: Flags,
}

#[derive(Debug)]
enum Kind {
    Console(Stream),
    Initrd {
        contents: &'static [u8],
        position: SpinLock<u64>,
    },
}

impl OpenFile {
    /// The console; written bytes go to `stream`.
    pub(super) fn console(flags: Flags, stream: Stream) -> Self {
        Self {
            kind: Kind::Console(stream),
            flags,
        }
    }

    /// A file of the initrd, from its start.
    pub(super) fn initrd(contents: &'static [u8]) -> Self {
        let flags = Flags {
            read: true,
            write: false,
        };
        Self {
            kind: Kind::Initrd {
                contents,
                position: SpinLock::new(0),
            },
            flags,
        }
    }

    /// The contents, if they can be mapped.
    pub(crate) fn contents(&self) -> Option<&'static [u8]> {
        match self.kind {
            Kind::Console(_) => None,
            Kind::Initrd { contents, .. } => Some(contents),
        }
    }

    /// Reads at the position and moves it; from the console, what has been typed.
    ///
    /// # Errors
    /// `EBADF` if not open for reading; `EFAULT`, and the position stays.
    pub(crate) fn read(&self, buffer: u64, len: u64) -> Result<u64, Errno> {
        if !self.flags.read {
            return Err(Errno::EBADF);
        }
        UserRange::new(buffer, len).ok_or(Errno::EFAULT)?;
        let Kind::Initrd { contents, position } = &self.kind else {
            return console::read(buffer, len);
        };
        // Claim the bytes under the lock, copy them without it.
        let (from, bytes) = {
            let mut position = position.lock();
            let from = *position;
            let start = usize::try_from(from)
                .unwrap_or(usize::MAX)
                .min(contents.len());
            let len = usize::try_from(len)
                .unwrap_or(usize::MAX)
                .min(contents.len() - start);
            *position += len as u64;
            (from, &contents[start..start + len])
        };
        if let Err(error) = uaccess::copy_out(buffer, bytes) {
            *position.lock() = from;
            return Err(error);
        }
        Ok(bytes.len() as u64)
    }

    /// Writes to the console.
    ///
    /// # Errors
    /// `EBADF` if not open for writing; `EFAULT` if nothing could be read from the buffer.
    pub(crate) fn write(&self, buffer: u64, len: u64) -> Result<u64, Errno> {
        if !self.flags.write {
            return Err(Errno::EBADF);
        }
        let Kind::Console(stream) = self.kind else {
            return Err(Errno::EBADF);
        };
        console::write(stream, buffer, len)
    }

    /// Moves the position: whence 0 from the start, 1 from the position, 2 from the end.
    ///
    /// # Errors
    /// `EINVAL` before the start, for an unknown whence, and on the console.
    pub(crate) fn seek(&self, offset: i64, whence: u64) -> Result<u64, Errno> {
        let Kind::Initrd { contents, position } = &self.kind else {
            return Err(Errno::EINVAL);
        };
        let mut position = position.lock();
        let base = match whence {
            0 => 0,
            1 => *position,
            2 => contents.len() as u64,
            _ => return Err(Errno::EINVAL),
        };
        let new = base
            .checked_add_signed(offset)
            .filter(|new| i64::try_from(*new).is_ok());
        *position = new.ok_or(Errno::EINVAL)?;
        Ok(*position)
    }
}
