//! [`Ipc`] by the system calls of our kernel.

use alloc::ffi::CString;

use exec_core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use super::{Ipc, IpcError, Listener, Mailbox, Region, Semaphore, Stream, Wait};
use crate::kernel::{
    Kernel, file,
    object::{self, MailboxId, RegionId, Rights, SemaphoreId},
    syscall::{self, Errno, Protection},
};

/// Where regions are mapped: a range that belongs to this module alone.
const FIRST: usize = 0x60_0000_0000;
const END: usize = 0x70_0000_0000;
const PAGE: usize = 4096;

/// Where the next one goes. Addresses are not used again.
static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

impl From<Errno> for IpcError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EAGAIN => Self::WouldBlock,
            Errno::ETIMEDOUT => Self::TimedOut,
            Errno::EPIPE | Errno::EIDRM | Errno::ENOENT => Self::Closed,
            Errno::ECONNREFUSED => Self::Refused,
            Errno::EADDRINUSE => Self::NameTaken,
            Errno::EMSGSIZE => Self::Size,
            Errno::EACCES | Errno::EPERM => Self::NotAllowed,
            Errno::EMFILE | Errno::ENOMEM | Errno::ENOSPC => Self::NoRoom,
            Errno::EINVAL | Errno::ENAMETOOLONG => Self::BadArgument,
            other => Self::Other(other.number()),
        }
    }
}

/// An object that was not made: `EAGAIN` means that the process owns too many.
fn not_made(errno: Errno) -> IpcError {
    match errno {
        Errno::EAGAIN => IpcError::NoRoom,
        other => other.into(),
    }
}

fn nanoseconds(wait: Wait) -> u64 {
    match wait {
        Wait::No => 0,
        Wait::Forever => u64::MAX,
        // 0 and all ones mean something else.
        Wait::For(ns) => ns.clamp(1, u64::MAX - 1),
    }
}

/// A name as the kernel wants it.
fn c_name(name: &str) -> Result<CString, IpcError> {
    CString::new(name).map_err(|_| IpcError::BadArgument)
}

/// A descriptor, closed when it is dropped.
#[derive(Debug)]
pub struct KernelStream(i32);

/// A listening descriptor, closed when it is dropped.
#[derive(Debug)]
pub struct KernelListener(i32);

/// A mapped region, unmapped when it is dropped.
#[derive(Debug)]
pub struct KernelRegion {
    id: RegionId,
    base: *const AtomicU32,
    words: usize,
}

// SAFETY: the mapping belongs to the value, wherever that is, and is reached through atomics only.
unsafe impl Send for KernelRegion {}
// SAFETY: as above.
unsafe impl Sync for KernelRegion {}

/// A semaphore, destroyed when its owner drops it.
#[derive(Debug)]
pub struct KernelSemaphore(SemaphoreId);

/// A mailbox, destroyed when its owner drops it.
#[derive(Debug)]
pub struct KernelMailbox(MailboxId);

impl Ipc for Kernel {
    type Stream = KernelStream;
    type Region = KernelRegion;
    type Semaphore = KernelSemaphore;
    type Mailbox = KernelMailbox;
    type Listener = KernelListener;

    fn pipe(&self) -> Result<(KernelStream, KernelStream), IpcError> {
        let (read, write) = file::pipe()?;
        Ok((KernelStream(read), KernelStream(write)))
    }

    fn region(&self, words: usize) -> Result<KernelRegion, IpcError> {
        let bytes = words.checked_mul(4).ok_or(IpcError::BadArgument)?;
        let id = object::region_create(bytes, Rights::ALL).map_err(not_made)?;
        // ORDERING: Relaxed: only keeps the ranges apart.
        let at = NEXT.fetch_add(bytes.next_multiple_of(PAGE) + PAGE, Relaxed);
        let mapped = if at > END - bytes - PAGE {
            Err(Errno::ENOMEM)
        } else {
            // SAFETY: the range is this module's own and was given out to nobody else.
            unsafe { object::region_map(id, at, Protection::READ_WRITE) }
        };
        if let Err(errno) = mapped {
            // It was just made.
            let _ = object::region_destroy(id);
            return Err(errno.into());
        }
        let base = core::ptr::with_exposed_provenance(at);
        Ok(KernelRegion { id, base, words })
    }

    fn semaphore(&self, value: u32) -> Result<KernelSemaphore, IpcError> {
        let id = object::semaphore_create(value, Rights::ALL).map_err(not_made)?;
        Ok(KernelSemaphore(id))
    }

    fn mailbox(&self, messages: usize, message_len: usize) -> Result<KernelMailbox, IpcError> {
        let id = object::mailbox_create(messages, message_len, Rights::ALL).map_err(not_made)?;
        Ok(KernelMailbox(id))
    }

    fn listen(&self, name: &str, backlog: usize) -> Result<KernelListener, IpcError> {
        Ok(KernelListener(object::socket_listen(
            &c_name(name)?,
            backlog,
        )?))
    }

    fn connect(&self, name: &str) -> Result<KernelStream, IpcError> {
        Ok(KernelStream(object::socket_connect(
            &c_name(name)?,
            u64::MAX,
        )?))
    }
}

impl Stream for KernelStream {
    fn read(&self, buffer: &mut [u8]) -> Result<usize, IpcError> {
        Ok(syscall::read(self.0, buffer)?)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, IpcError> {
        Ok(syscall::write(self.0, bytes)?)
    }
}

impl Drop for KernelStream {
    fn drop(&mut self) {
        // It is open: only this value knows the number.
        let _ = syscall::close(self.0);
    }
}

impl Listener for KernelListener {
    type Stream = KernelStream;

    fn accept(&self, wait: Wait) -> Result<KernelStream, IpcError> {
        Ok(KernelStream(object::socket_accept(
            self.0,
            nanoseconds(wait),
        )?))
    }
}

impl Drop for KernelListener {
    fn drop(&mut self) {
        // As for a stream.
        let _ = syscall::close(self.0);
    }
}

impl Region for KernelRegion {
    fn words(&self) -> &[AtomicU32] {
        // SAFETY: mapped for as long as the value lives, zero or written as words, and reached through
        // atomics only, by every process.
        unsafe { core::slice::from_raw_parts(self.base, self.words) }
    }
}

impl Drop for KernelRegion {
    fn drop(&mut self) {
        // SAFETY: whoever drops the value has no reference into it.
        let unmapped = unsafe { syscall::munmap(self.base.cast_mut().cast()) };
        unmapped.expect("invariant: a region is one mapping, unmapped once");
        // In a forked child it is the parent's to destroy.
        let _ = object::region_destroy(self.id);
    }
}

impl Semaphore for KernelSemaphore {
    fn take(&self, wait: Wait) -> Result<(), IpcError> {
        Ok(object::semaphore_wait(self.0, nanoseconds(wait))?)
    }

    fn post(&self) -> Result<(), IpcError> {
        Ok(object::semaphore_post(self.0, 1)?)
    }
}

impl Drop for KernelSemaphore {
    fn drop(&mut self) {
        // In a forked child it is the parent's to destroy.
        let _ = object::semaphore_destroy(self.0);
    }
}

impl Mailbox for KernelMailbox {
    fn send(&self, message: &[u8], wait: Wait) -> Result<(), IpcError> {
        Ok(object::mailbox_send(self.0, message, nanoseconds(wait))?)
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<usize, IpcError> {
        let (len, _) = object::mailbox_receive(self.0, buffer, nanoseconds(wait))?;
        Ok(len)
    }
}

impl Drop for KernelMailbox {
    fn drop(&mut self) {
        // In a forked child it is the parent's to destroy.
        let _ = object::mailbox_destroy(self.0);
    }
}
