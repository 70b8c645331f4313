//! The open files of a process, by number, and the directory that its paths start from.

use alloc::{sync::Arc, vec::Vec};

use kcore::{BeyondLimit, DirectoryId, Errno, Numbered, console::Stream};

use crate::fs::{file::OpenFile, root};

/// The most descriptors of a process.
const MAX: usize = 256;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Flags {
    pub(super) const BOTH: Self = Self {
        read: true,
        write: true,
    };

    /// 0 read, 1 write, 2 both.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self {
                read: true,
                write: false,
            }),
            1 => Some(Self {
                read: false,
                write: true,
            }),
            2 => Some(Self {
                read: true,
                write: true,
            }),
            _ => None,
        }
    }
}

/// The table; all threads of a process share it under its lock. Files that are taken out are to be
/// dropped outside of that lock.
#[derive(Debug)]
pub(crate) struct Descriptors {
    files: Numbered<Arc<OpenFile>>,
    /// Where relative paths start.
    pub(crate) directory: DirectoryId,
}

impl Descriptors {
    /// Input, output and errors on the console.
    pub(crate) fn with_console() -> Self {
        let input = Flags {
            read: true,
            write: false,
        };
        let output = Flags {
            read: false,
            write: true,
        };
        let files = [
            (input, Stream::Output),
            (output, Stream::Output),
            (output, Stream::Error),
        ]
        .map(|(flags, stream)| Arc::new(OpenFile::console(flags, stream)));
        Self {
            files: Numbered::new(files, MAX),
            directory: root::directory(),
        }
    }

    /// The table of a forked process: the same numbers for the same open files.
    ///
    /// What a descriptor stands for is shared, not copied: both processes move one position, and a
    /// file, a pipe's end or a socket counts as open until the last of the tables has closed it. The
    /// copy takes no lock but the caller's, waits for nothing and changes nothing of the original, so
    /// it may be dropped if the fork fails. Room for the table is all it needs.
    ///
    /// # Errors
    /// `ENOMEM` if there is no room.
    pub(crate) fn duplicate(&self) -> Result<Self, Errno> {
        let files = self.files.duplicate()?;
        Ok(Self { files, ..*self })
    }

    /// Limits the numbers that descriptors get from now on; those that are there stay.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.files.set_limit(limit);
    }

    /// The file of a descriptor.
    pub(crate) fn get(&self, fd: u64) -> Result<Arc<OpenFile>, Errno> {
        self.files.get(fd).ok_or(Errno::EBADF)
    }

    /// Gives a file the lowest free number.
    pub(crate) fn insert(&mut self, file: Arc<OpenFile>) -> Result<u64, Errno> {
        self.files.insert(file).map_err(|BeyondLimit| Errno::EMFILE)
    }

    /// Gives a file this number; returns what had it before.
    ///
    /// # Errors
    /// `EBADF` for a number that no descriptor can have.
    pub(crate) fn replace(
        &mut self,
        fd: u64,
        file: Arc<OpenFile>,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        self.files
            .replace(fd, file)
            .map_err(|BeyondLimit| Errno::EBADF)
    }

    /// Takes all out: the process has ended.
    #[must_use]
    pub(crate) fn take_all(&mut self) -> Vec<Option<Arc<OpenFile>>> {
        self.files.take_all()
    }

    /// Frees a number; returns the file.
    pub(crate) fn remove(&mut self, fd: u64) -> Result<Arc<OpenFile>, Errno> {
        self.files.remove(fd).ok_or(Errno::EBADF)
    }
}
