//! Memory that several processes see, and how it is made known to those that have not forked.
//!
//! # Protocol
//! The memory is a `memfd` under a name that says what is in it, sealed so that it keeps its size for
//! ever. Whoever is handed a descriptor checks both before it is mapped: memory that could shrink
//! would end the reader by a signal, and words that are no semaphore would not work as one.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use super::IpcError;
use super::host::retry;

/// What keeps the size, and keeps that for ever.
const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// Bytes of shared memory, mapped until dropped.
#[derive(Debug)]
pub(super) struct Shared {
    base: *mut libc::c_void,
    len: usize,
    descriptor: OwnedFd,
}

// SAFETY: the mapping belongs to the value, wherever that is; what is in it is atomics or a semaphore.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// New memory, all zero.
    pub(super) fn new(len: usize, name: &CStr) -> Result<Self, IpcError> {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a string; the descriptor comes back.
        let fd = retry(|| unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
        // SAFETY: it was just made, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = libc::off_t::try_from(len).map_err(|_| IpcError::BadArgument)?;
        // SAFETY: the descriptor is ours.
        retry(|| unsafe { libc::ftruncate(fd.as_raw_fd(), size) })?;
        // SAFETY: as above.
        retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) })?;
        Self::map(fd, len)
    }

    /// Memory of this name that another process has made.
    pub(super) fn open(descriptor: OwnedFd, name: &CStr) -> Result<Self, IpcError> {
        let fd = descriptor.as_raw_fd();
        // SAFETY: the descriptor is ours. What is no `memfd` has no seals: `EINVAL`.
        let seals = retry(|| unsafe { libc::fcntl(fd, libc::F_GET_SEALS) })?;
        let link = fs::read_link(format!("/proc/self/fd/{fd}"))?;
        let expected = format!("/memfd:{} (deleted)", name.to_string_lossy());
        if seals & SEALS != SEALS || link.as_os_str() != expected.as_str() {
            return Err(IpcError::BadArgument);
        }
        let file = fs::File::from(descriptor);
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| IpcError::NoRoom)?;
        Self::map(file.into(), len)
    }

    fn map(descriptor: OwnedFd, len: usize) -> Result<Self, IpcError> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping wherever the system likes, of the whole file.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                descriptor.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        Ok(Self {
            base,
            len,
            descriptor,
        })
    }

    /// Where it begins, aligned to a page.
    pub(super) fn base(&self) -> *mut libc::c_void {
        self.base
    }

    /// Its bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, with this length, and no reference is left.
        let unmapped = unsafe { libc::munmap(self.base, self.len) };
        assert_eq!(unmapped, 0, "invariant: the mapping is whole");
    }
}

#[cfg(test)]
mod tests {
    use exec_core::sync::atomic::Ordering::Relaxed;

    use super::super::host::{HostRegion, HostSemaphore};
    use super::super::{Ipc, IpcError, Region as _, Semaphore as _, Wait};
    use super::*;
    use crate::Host;

    #[test]
    fn a_descriptor_is_the_same_memory() {
        let region = Host.region(3).expect("memory");
        let again = region.as_fd().try_clone_to_owned().expect("a descriptor");
        let again = HostRegion::from_descriptor(again).expect("a region");
        region.words()[2].store(7, Relaxed);
        assert_eq!(again.words().len(), 3);
        assert_eq!(again.words()[2].load(Relaxed), 7);
        // As another process would, which has no descriptor yet.
        let path = format!("/proc/self/fd/{}", region.as_fd().as_raw_fd());
        let file = fs::File::options().read(true).write(true).open(path);
        let third = HostRegion::from_descriptor(file.expect("open").into()).expect("a region");
        drop(region);
        assert_eq!(third.words()[2].load(Relaxed), 7);
    }

    #[test]
    fn a_descriptor_is_the_same_semaphore() {
        let semaphore = Host.semaphore(0).expect("memory");
        let again = semaphore
            .as_fd()
            .try_clone_to_owned()
            .expect("a descriptor");
        let again = HostSemaphore::from_descriptor(again).expect("a semaphore");
        assert_eq!(again.take(Wait::No), Err(IpcError::WouldBlock));
        semaphore.post().expect("posted");
        assert_eq!(again.take(Wait::No), Ok(()));
    }

    #[test]
    fn what_is_neither_is_refused() {
        let region = Host.region(8).expect("memory");
        let region = region.as_fd().try_clone_to_owned().expect("a descriptor");
        let refused = HostSemaphore::from_descriptor(region).map(drop);
        assert_eq!(refused, Err(IpcError::BadArgument), "a region");
        let file = fs::File::open("/proc/self/exe").expect("this program");
        assert!(HostRegion::from_descriptor(file.into()).is_err(), "a file");
        // SAFETY: the name is a string; the descriptor comes back.
        let fd = unsafe { libc::memfd_create(c"kernel-bridge-region".as_ptr(), 0) };
        // SAFETY: it was just made, and nobody else knows it.
        let open = unsafe { OwnedFd::from_raw_fd(fd) };
        let refused = HostRegion::from_descriptor(open).map(drop);
        assert_eq!(refused, Err(IpcError::BadArgument), "it can shrink");
    }
}
