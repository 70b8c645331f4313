//! System calls about what processes share: memory, semaphores, mailboxes, messages, local sockets.
//!
//! Regions, semaphores and mailboxes have numbers of their own, valid in every process; sockets are descriptors.
//! A time-out is in nanoseconds: 0 means not to wait, which is `EAGAIN` where it would have to, and
//! `u64::MAX` to wait as long as it takes.
//!
//! All that wait: `EIDRM` where the object is destroyed meanwhile, `ETIMEDOUT`, `EINTR`. All: `ENOENT`
//! where there is no such object, `EACCES` where its owner does not allow it.

use core::ffi::CStr;

use super::syscall::{Errno, Protection, check, number, syscall};

/// Who may do what with an object: its owner, and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(pub usize);

impl Rights {
    /// Everybody may do everything but destroy it.
    pub const ALL: Self = Self(0o33);
    /// Only the owner may use it.
    pub const OWNER: Self = Self(0o30);
    /// The owner takes, all others give.
    pub const INBOX: Self = Self(0o12);
}

/// The number of a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreId(pub u32);

/// The number of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxId(pub u32);

/// The number of a region of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionId(pub u32);

/// The longest message that can be sent to a process.
pub const MESSAGE_LEN: usize = 64;

/// Makes a region of zeros, of at least `len` bytes in whole pages, which lives until it is destroyed
/// or its owner ends, and longer where it is mapped.
///
/// # Errors
/// `EINVAL` for no bytes and for more than 4 MiB; `ENOMEM`; `EAGAIN` where the process owns too many
/// objects, `ENOSPC` where there are too many in all.
pub fn region_create(len: usize, rights: Rights) -> Result<RegionId, Errno> {
    // SAFETY: the call touches no memory of ours.
    let id = unsafe {
        check(syscall!(
            number::REGION_CREATE,
            "rdi" = len,
            "rsi" = rights.0
        ))
    }?;
    Ok(RegionId(id as u32))
}

/// Maps a region at exactly `at`; returns its length. Forked processes share the mapping. It is
/// unmapped by [`munmap`](super::syscall::munmap).
///
/// # Errors
/// `ENOENT`; `EACCES` where its owner does not allow it: to take for reading, to give for writing;
/// `EINVAL` for a bad address or to execute; `EEXIST` where something is mapped; `ENOMEM`.
///
/// # Safety
/// No reference may lead into the range, and what is seen there changes at any time: it may be reached
/// through atomics only.
pub unsafe fn region_map(id: RegionId, at: usize, protection: Protection) -> Result<usize, Errno> {
    // SAFETY: the caller keeps the range free of references.
    unsafe {
        check(syscall!(
            number::REGION_MAP,
            "rdi" = id.0 as usize,
            "rsi" = at,
            "rdx" = protection.0
        ))
    }
}

/// Destroys a region; where it is mapped it stays.
///
/// # Errors
/// `ENOENT`; `EPERM` for another process than its owner.
pub fn region_destroy(id: RegionId) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::REGION_DESTROY, "rdi" = id.0 as usize)) }.map(drop)
}

/// Sends a message of at most [`MESSAGE_LEN`] bytes to a process.
///
/// # Errors
/// `ESRCH` where no such process lives; `EMSGSIZE`; `EIDRM` where it ends meanwhile; those of the
/// module.
///
/// # Blocking
/// While its inbox is full, for `timeout_ns`.
pub fn message_send(pid: u32, message: &[u8], timeout_ns: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads the message only.
    unsafe {
        check(syscall!(
            number::MESSAGE_SEND,
            "rdi" = pid as usize,
            "rsi" = message.as_ptr(),
            "rdx" = message.len(),
            "r10" = timeout_ns
        ))
    }
    .map(drop)
}

/// Takes the oldest message that was sent to the caller's process; returns its length and who sent it.
///
/// # Errors
/// `EMSGSIZE` for a buffer shorter than [`MESSAGE_LEN`]; those of the module.
///
/// # Blocking
/// While there is none, for `timeout_ns`.
pub fn message_receive(buffer: &mut [u8], timeout_ns: u64) -> Result<(usize, u32), Errno> {
    // SAFETY: the kernel writes to the buffer, which is ours.
    let packed = unsafe {
        check(syscall!(
            number::MESSAGE_RECEIVE,
            "rdi" = buffer.as_mut_ptr(),
            "rsi" = buffer.len(),
            "rdx" = timeout_ns
        ))
    }?;
    Ok(unpack(packed))
}

/// Makes a semaphore, which lives until it is destroyed or its owner ends.
///
/// # Errors
/// `EINVAL` for a value above `i32::MAX`; `EAGAIN` where the process owns too many objects, `ENOSPC`
/// where there are too many in all.
pub fn semaphore_create(value: u32, rights: Rights) -> Result<SemaphoreId, Errno> {
    // SAFETY: the call touches no memory of ours.
    let id = unsafe {
        check(syscall!(
            number::SEMAPHORE_CREATE,
            "rdi" = value as usize,
            "rsi" = rights.0
        ))
    }?;
    Ok(SemaphoreId(id as u32))
}

/// Takes one of a semaphore.
///
/// # Errors
/// See the module.
///
/// # Blocking
/// While its value is zero, for `timeout_ns`.
///
/// # Memory ordering
/// What was written before the post that made it possible is seen.
#[inline]
pub fn semaphore_wait(id: SemaphoreId, timeout_ns: u64) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe {
        check(syscall!(
            number::SEMAPHORE_WAIT,
            "rdi" = id.0 as usize,
            "rsi" = timeout_ns
        ))
    }
    .map(drop)
}

/// Adds to a semaphore; as many who wait for it go on.
///
/// # Errors
/// See the module; `EINVAL`, and nothing was added, where the value would become too great.
#[inline]
pub fn semaphore_post(id: SemaphoreId, count: u32) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe {
        check(syscall!(
            number::SEMAPHORE_POST,
            "rdi" = id.0 as usize,
            "rsi" = count as usize
        ))
    }
    .map(drop)
}

/// Destroys a semaphore.
///
/// # Errors
/// `ENOENT`; `EPERM` for another process than its owner.
pub fn semaphore_destroy(id: SemaphoreId) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::SEMAPHORE_DESTROY, "rdi" = id.0 as usize)) }.map(drop)
}

/// Makes a mailbox for so many messages of at most so many bytes.
///
/// # Errors
/// `EINVAL` for a size of nothing, for more than 1,024 messages or bytes, and for more than 256 KiB in
/// all; `ENOMEM`; `EAGAIN` and `ENOSPC` as [`semaphore_create`].
pub fn mailbox_create(
    messages: usize,
    message_len: usize,
    rights: Rights,
) -> Result<MailboxId, Errno> {
    // SAFETY: the call touches no memory of ours.
    let id = unsafe {
        check(syscall!(
            number::MAILBOX_CREATE,
            "rdi" = messages,
            "rsi" = message_len,
            "rdx" = rights.0
        ))
    }?;
    Ok(MailboxId(id as u32))
}

/// Sends a message.
///
/// # Errors
/// See the module; `EMSGSIZE` for a message that is too long.
///
/// # Blocking
/// While the mailbox is full, for `timeout_ns`.
#[inline]
pub fn mailbox_send(id: MailboxId, message: &[u8], timeout_ns: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads the message only.
    unsafe {
        check(syscall!(
            number::MAILBOX_SEND,
            "rdi" = id.0 as usize,
            "rsi" = message.as_ptr(),
            "rdx" = message.len(),
            "r10" = timeout_ns
        ))
    }
    .map(drop)
}

/// Takes the oldest message; returns its length and the number of the process that sent it.
///
/// # Errors
/// See the module; `EMSGSIZE` for a buffer shorter than the mailbox's longest message.
///
/// # Blocking
/// While the mailbox is empty, for `timeout_ns`.
#[inline]
pub fn mailbox_receive(
    id: MailboxId,
    buffer: &mut [u8],
    timeout_ns: u64,
) -> Result<(usize, u32), Errno> {
    // SAFETY: the kernel writes to the buffer, which is ours.
    let packed = unsafe {
        check(syscall!(
            number::MAILBOX_RECEIVE,
            "rdi" = id.0 as usize,
            "rsi" = buffer.as_mut_ptr(),
            "rdx" = buffer.len(),
            "r10" = timeout_ns
        ))
    }?;
    Ok(unpack(packed))
}

/// A length and a sender, as the kernel returns both in one word.
#[inline]
fn unpack(packed: usize) -> (usize, u32) {
    (packed & 0xffff_ffff, (packed >> 32) as u32)
}

/// Destroys a mailbox and the messages in it.
///
/// # Errors
/// `ENOENT`; `EPERM` for another process than its owner.
pub fn mailbox_destroy(id: MailboxId) -> Result<(), Errno> {
    // SAFETY: the call touches no memory of ours.
    unsafe { check(syscall!(number::MAILBOX_DESTROY, "rdi" = id.0 as usize)) }.map(drop)
}

/// Takes a name that others can connect to; at most `backlog` connections wait to be accepted.
///
/// # Errors
/// `EADDRINUSE`; `EINVAL` for an empty name and for a backlog of 0 or more than 128; `ENAMETOOLONG`
/// from 108 bytes on; `EMFILE`.
pub fn socket_listen(name: &CStr, backlog: usize) -> Result<i32, Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    let fd = unsafe {
        check(syscall!(
            number::SOCKET_LISTEN,
            "rdi" = name.as_ptr() as usize,
            "rsi" = backlog
        ))
    }?;
    Ok(fd as i32)
}

/// Connects to a name; the descriptor can be read and written.
///
/// # Errors
/// `ECONNREFUSED` where nobody listens; `ETIMEDOUT`, `EAGAIN`, `EINTR`; `EMFILE`, `ENOMEM`.
///
/// # Blocking
/// While the listener's backlog is full, for `timeout_ns`; not until it accepts.
pub fn socket_connect(name: &CStr, timeout_ns: u64) -> Result<i32, Errno> {
    // SAFETY: the kernel reads the string, which lives across the call.
    let fd = unsafe {
        check(syscall!(
            number::SOCKET_CONNECT,
            "rdi" = name.as_ptr() as usize,
            "rsi" = timeout_ns
        ))
    }?;
    Ok(fd as i32)
}

/// Accepts the connection that has waited longest.
///
/// # Errors
/// `EBADF`, `EINVAL` where `fd` does not listen; `ETIMEDOUT`, `EAGAIN`, `EINTR`; where there is no
/// descriptor, `EMFILE`, and the connection is closed.
///
/// # Blocking
/// Until there is a connection, for `timeout_ns`.
pub fn socket_accept(fd: i32, timeout_ns: u64) -> Result<i32, Errno> {
    // SAFETY: the call touches no memory of ours.
    let fd = unsafe {
        check(syscall!(
            number::SOCKET_ACCEPT,
            "rdi" = fd as usize,
            "rsi" = timeout_ns
        ))
    }?;
    Ok(fd as i32)
}
