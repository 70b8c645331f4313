//! A page that a worker and the pool share: which job the worker has begun.
//!
//! A worker that was killed may have died before it took up the job that was sent to it. That job
//! can be given to another worker, if the pool knows that it was not begun; and the dead can't be
//! asked. So a worker writes the number of each job into this page before it looks at the job's
//! arguments, which costs it one store, and the pool reads it after the death.
//!
//! # Why nothing is lost
//! Job numbers only grow, and a worker has one job at a time. After its death (the pool reads only
//! then) the page holds the number of the last job it began: if that is not the job it was given,
//! no line of the job's code has run, and it is safe to run it elsewhere. If it is, the job may
//! have done anything, and is not run again.

use core::ptr::{self, NonNull};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use exec_core::sync::atomic::{AtomicU64, Ordering};
use rustix::{
    fs::{MemfdFlags, SealFlags},
    mm::{MapFlags, ProtFlags},
};

/// Its size; what is mapped is whole pages anyway.
const SIZE: usize = 4096;

/// One process's mapping of the page.
#[derive(Debug)]
pub(crate) struct Page {
    begun: NonNull<AtomicU64>,
}

// SAFETY: the page is reached as an atomic only, and unmapped by the one owner.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// A new page of zeros, and the descriptor that lets another process map it.
    pub(crate) fn create() -> io::Result<(Self, OwnedFd)> {
        let fd = rustix::fs::memfd_create(
            "pool-process",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        rustix::fs::ftruncate(&fd, SIZE as u64)?;
        // A worker that shrank the file would make the pool's read a bus error.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let page = Self::map(&fd)?;
        Ok((page, fd))
    }

    /// Maps a page that the other side has created.
    pub(crate) fn open(fd: OwnedFd) -> io::Result<Self> {
        if rustix::fs::fstat(&fd)?.st_size < SIZE as _ {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Self::map(&fd)
    }

    fn map(fd: impl AsFd) -> io::Result<Self> {
        // SAFETY: the address is the system's choice, so no memory in use is touched.
        let at = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                fd,
                0,
            )
        }?;
        let begun = NonNull::new(at.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { begun })
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: mapped until the drop, aligned to a page, as long as the file, which is sealed
        // against shrinking; any bytes are a valid number, and everybody accesses it atomically.
        unsafe { self.begun.as_ref() }
    }

    /// Notes that the job is begun: its worker, before anything of the job.
    pub(crate) fn begin(&self, job: u64) {
        // ORDERING: read by the pool after the worker's death, which orders everything.
        self.word().store(job, Ordering::Release);
    }

    /// The last job that was begun.
    pub(crate) fn begun(&self) -> u64 {
        // ORDERING: see `begin`.
        self.word().load(Ordering::Acquire)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this size, and no reference outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.begun.as_ptr().cast(), SIZE) };
        debug_assert!(unmapped.is_ok(), "invariant: it was mapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_mappings_see_one_word() {
        let (ours, fd) = Page::create().expect("a page");
        let small = rustix::fs::ftruncate(&fd, 0);
        assert!(small.is_err(), "it can't be shrunk");
        let theirs = Page::open(fd).expect("its twin");
        assert_eq!(ours.begun(), 0);
        theirs.begin(u64::MAX - 1);
        assert_eq!(ours.begun(), u64::MAX - 1);
    }

    #[test]
    fn a_file_that_is_too_short_is_refused() {
        let fd = rustix::fs::memfd_create("short", MemfdFlags::CLOEXEC).expect("a file");
        assert!(Page::open(fd).is_err());
    }
}
