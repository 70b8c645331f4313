//! How processes and threads reach each other, with one face over two grounds.
//!
//! [`Ipc`] makes pipes, shared memory, semaphores, mailboxes and local sockets. `Kernel` makes them by
//! the system calls of our kernel; [`Host`](crate::Host) by those of Linux: pipes, `memfd` with
//! `mmap`, process-shared semaphores, POSIX message queues, Unix sockets. So one program compares
//! both. All handles stay valid in a forked child.
//!
//! On top, for any ground: [`BoundedBuffer`], a queue in shared memory; [`Ring`], a ring of bytes; and, with the feature `rpc`,
//! typed calls over mailboxes (`rpc`).
//!
//! # Shutdown
//! A handle that is dropped closes or destroys what it stands for; in a forked child only its own
//! share of it. Who waits for something that is destroyed is told, where the ground can tell.

mod bounded;
pub mod conformance;
#[cfg(all(feature = "std", target_os = "linux", not(loom)))]
mod host;
#[cfg(all(feature = "kernel", target_arch = "x86_64"))]
mod kernel;
mod ring;
#[cfg(feature = "rpc")]
pub mod rpc;
#[cfg(all(feature = "std", target_os = "linux", not(loom)))]
mod shared;

use core::fmt;

use exec_core::sync::atomic::AtomicU32;

pub use bounded::BoundedBuffer;
#[cfg(all(feature = "std", target_os = "linux", not(loom)))]
pub use host::{HostListener, HostMailbox, HostRegion, HostSemaphore, HostStream};
pub use ring::{Ring, RingParts};

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// As long as it takes.
    Forever,
    /// So many nanoseconds.
    For(u64),
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpcError {
    /// It would have to wait, and was told not to.
    WouldBlock,
    /// The time ran out.
    TimedOut,
    /// Nobody is at the other end, or what was waited for is destroyed.
    Closed,
    /// Nobody listens at this name.
    Refused,
    /// The name is taken.
    NameTaken,
    /// A message is too long, or the buffer for one too short.
    Size,
    /// The owner does not allow it.
    NotAllowed,
    /// There is no room, memory or number left.
    NoRoom,
    /// An argument has no meaning here.
    BadArgument,
    /// Another reason, by the ground's error number.
    Other(i32),
}

impl fmt::Display for IpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("it would have to wait"),
            Self::TimedOut => f.write_str("the time ran out"),
            Self::Closed => f.write_str("nobody is at the other end any more"),
            Self::Refused => f.write_str("nobody listens at this name"),
            Self::NameTaken => f.write_str("the name is taken: choose another"),
            Self::Size => f.write_str("the message or its buffer has the wrong size"),
            Self::NotAllowed => f.write_str("the owner does not allow it"),
            Self::NoRoom => f.write_str("no room is left: close something first"),
            Self::BadArgument => f.write_str("an argument has no meaning here"),
            Self::Other(number) => write!(f, "error {number}"),
        }
    }
}

impl core::error::Error for IpcError {}

/// A ground that has all kinds.
pub trait Ipc: Copy + Send + Sync + 'static {
    /// An end of a pipe or of a connection.
    type Stream: Stream;
    /// Memory that several processes see.
    type Region: Region;
    /// A semaphore.
    type Semaphore: Semaphore;
    /// A bounded queue of messages.
    type Mailbox: Mailbox;
    /// A name that others connect to.
    type Listener: Listener<Stream = Self::Stream>;

    /// Makes a pipe: the end to read from, and the one to write to.
    ///
    /// # Errors
    /// [`IpcError::NoRoom`].
    fn pipe(&self) -> Result<(Self::Stream, Self::Stream), IpcError>;

    /// Makes a region of so many words, all zero.
    ///
    /// # Errors
    /// [`IpcError::NoRoom`], [`IpcError::BadArgument`] for no words.
    fn region(&self, words: usize) -> Result<Self::Region, IpcError>;

    /// Makes a semaphore with this value.
    ///
    /// # Errors
    /// [`IpcError::NoRoom`], [`IpcError::BadArgument`] for a value above `i32::MAX`.
    fn semaphore(&self, value: u32) -> Result<Self::Semaphore, IpcError>;

    /// Makes a mailbox for so many messages of at most so many bytes.
    ///
    /// # Errors
    /// [`IpcError::NoRoom`]; [`IpcError::BadArgument`] for more than the ground allows.
    fn mailbox(&self, messages: usize, message_len: usize) -> Result<Self::Mailbox, IpcError>;

    /// Takes a name; at most `backlog` connections wait to be accepted.
    ///
    /// # Errors
    /// [`IpcError::NameTaken`], [`IpcError::BadArgument`], [`IpcError::NoRoom`].
    fn listen(&self, name: &str, backlog: usize) -> Result<Self::Listener, IpcError>;

    /// Connects to a name.
    ///
    /// # Errors
    /// [`IpcError::Refused`], [`IpcError::NoRoom`].
    ///
    /// # Blocking
    /// While the listener's backlog is full.
    fn connect(&self, name: &str) -> Result<Self::Stream, IpcError>;
}

/// An end of a pipe, or of a connection.
pub trait Stream: Send + Sync {
    /// Reads what is there, at least a byte; 0 at the end.
    ///
    /// # Errors
    /// [`IpcError::BadArgument`] or [`IpcError::Other`] for an end that is only written to.
    ///
    /// # Blocking
    /// Until there is a byte.
    fn read(&self, buffer: &mut [u8]) -> Result<usize, IpcError>;

    /// Writes some of the bytes and says how many.
    ///
    /// # Errors
    /// [`IpcError::Closed`] where nobody reads.
    ///
    /// # Blocking
    /// Until there is room.
    fn write(&self, bytes: &[u8]) -> Result<usize, IpcError>;

    /// Writes all bytes.
    ///
    /// # Errors
    /// As [`write`](Self::write); a part may have been written.
    ///
    /// # Blocking
    /// As [`write`](Self::write).
    fn write_all(&self, mut bytes: &[u8]) -> Result<(), IpcError> {
        while !bytes.is_empty() {
            let written = self.write(bytes)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Reads until the buffer is full or the end comes; says how many bytes came.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Blocking
    /// As [`read`](Self::read).
    fn read_full(&self, buffer: &mut [u8]) -> Result<usize, IpcError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read(&mut buffer[done..])? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }
}

/// Memory that several processes see. It is reached through atomics only: others change it any time.
pub trait Region: Send + Sync {
    /// The memory.
    fn words(&self) -> &[AtomicU32];
}

/// A semaphore.
pub trait Semaphore: Send + Sync {
    /// Takes one.
    ///
    /// # Errors
    /// [`IpcError::WouldBlock`], [`IpcError::TimedOut`], [`IpcError::Closed`].
    ///
    /// # Blocking
    /// While the value is zero, as `wait` allows.
    ///
    /// # Memory ordering
    /// What was written before the post that is taken is seen.
    fn take(&self, wait: Wait) -> Result<(), IpcError>;

    /// Adds one.
    ///
    /// # Errors
    /// [`IpcError::BadArgument`] or [`IpcError::Other`] where the value would become too great.
    fn post(&self) -> Result<(), IpcError>;
}

/// A bounded queue of messages.
pub trait Mailbox: Send + Sync {
    /// Sends a message.
    ///
    /// # Errors
    /// [`IpcError::Size`], [`IpcError::WouldBlock`], [`IpcError::TimedOut`], [`IpcError::Closed`].
    ///
    /// # Blocking
    /// While the mailbox is full, as `wait` allows.
    fn send(&self, message: &[u8], wait: Wait) -> Result<(), IpcError>;

    /// Takes the oldest message; returns its length. The buffer must have room for the longest.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Blocking
    /// While the mailbox is empty, as `wait` allows.
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<usize, IpcError>;
}

/// A name that others connect to.
pub trait Listener: Send + Sync {
    /// What a connection is.
    type Stream: Stream;

    /// Accepts the connection that has waited longest.
    ///
    /// # Errors
    /// [`IpcError::WouldBlock`], [`IpcError::TimedOut`], [`IpcError::NoRoom`].
    ///
    /// # Blocking
    /// Until there is one, as `wait` allows.
    fn accept(&self, wait: Wait) -> Result<Self::Stream, IpcError>;
}
