//! [`Ipc`] by Linux: pipes, `memfd` and `mmap`, process-shared semaphores, POSIX message queues, Unix
//! sockets with abstract names.

use std::ffi::{CStr, CString};
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32 as Counter, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use exec_core::sync::atomic::AtomicU32;

use super::shared::Shared;
use super::{Ipc, IpcError, Listener, Mailbox, Region, Semaphore, Stream, Wait};
use crate::Host;

/// Tells the names of message queues of one process apart.
static QUEUES: Counter = Counter::new(0);

impl From<io::Error> for IpcError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::WouldBlock,
            Some(libc::ETIMEDOUT) => Self::TimedOut,
            Some(libc::EPIPE | libc::ECONNRESET) => Self::Closed,
            Some(libc::ECONNREFUSED) => Self::Refused,
            Some(libc::EADDRINUSE) => Self::NameTaken,
            Some(libc::EMSGSIZE) => Self::Size,
            Some(libc::EACCES | libc::EPERM) => Self::NotAllowed,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOSPC) => Self::NoRoom,
            Some(libc::EINVAL) => Self::BadArgument,
            Some(other) => Self::Other(other),
            None => Self::BadArgument,
        }
    }
}

/// Makes a call until no signal interrupts it; -1 is its error.
pub(super) fn retry(mut call: impl FnMut() -> libc::c_int) -> Result<libc::c_int, IpcError> {
    loop {
        match call() {
            -1 => {
                let error = io::Error::last_os_error();
                if error.raw_os_error() != Some(libc::EINTR) {
                    return Err(error.into());
                }
            }
            value => return Ok(value),
        }
    }
}

/// The system's time when a wait is over; none if it never is.
fn deadline(wait: Wait) -> Option<libc::timespec> {
    let ns = match wait {
        Wait::Forever => return None,
        Wait::No => 0,
        Wait::For(ns) => ns,
    };
    let end = SystemTime::now().checked_add(Duration::from_nanos(ns))?;
    let end = end.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(libc::timespec {
        tv_sec: end.as_secs() as libc::time_t,
        tv_nsec: end.subsec_nanos() as libc::c_long,
    })
}

/// A time-out of a call that was not to wait is none.
fn at_once(error: IpcError, wait: Wait) -> IpcError {
    match error {
        IpcError::TimedOut if wait == Wait::No => IpcError::WouldBlock,
        other => other,
    }
}

/// An end of a pipe or a Unix socket.
#[derive(Debug)]
pub enum HostStream {
    /// The end of a pipe to read from.
    Reader(io::PipeReader),
    /// The end of a pipe to write to.
    Writer(io::PipeWriter),
    /// A connected socket.
    Socket(UnixStream),
}

impl Stream for HostStream {
    fn read(&self, buffer: &mut [u8]) -> Result<usize, IpcError> {
        loop {
            let read = match self {
                Self::Reader(pipe) => (&mut &*pipe).read(buffer),
                Self::Socket(socket) => (&mut &*socket).read(buffer),
                Self::Writer(_) => return Err(IpcError::BadArgument),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other side closed with our bytes unread: for a reader that is the end.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
                other => return Ok(other?),
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, IpcError> {
        loop {
            let written = match self {
                Self::Writer(pipe) => (&mut &*pipe).write(bytes),
                Self::Socket(socket) => (&mut &*socket).write(bytes),
                Self::Reader(_) => return Err(IpcError::BadArgument),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return Ok(other?),
            }
        }
    }
}

/// A Unix socket that listens.
#[derive(Debug)]
pub struct HostListener(UnixListener);

impl Listener for HostListener {
    type Stream = HostStream;

    fn accept(&self, wait: Wait) -> Result<HostStream, IpcError> {
        let end = match wait {
            Wait::Forever => None,
            Wait::No => Some(std::time::Instant::now()),
            Wait::For(ns) => std::time::Instant::now().checked_add(Duration::from_nanos(ns)),
        };
        loop {
            // The listener never blocks by itself: another thread may take what `poll` has seen.
            match self.0.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(false)?;
                    return Ok(HostStream::Socket(socket));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            let left_ms = match end {
                None => -1,
                Some(end) => {
                    let left = end.saturating_duration_since(std::time::Instant::now());
                    if left.is_zero() {
                        return Err(at_once(IpcError::TimedOut, wait));
                    }
                    i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX)
                }
            };
            let mut poll = libc::pollfd {
                fd: self.0.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one entry, which is ours.
            retry(|| unsafe { libc::poll(&raw mut poll, 1, left_ms) })?;
        }
    }
}

/// What the memory of a region is called.
const REGION: &CStr = c"kernel-bridge-region";
/// What the memory of a semaphore is called.
const SEMAPHORE: &CStr = c"kernel-bridge-semaphore";

/// A `memfd`, mapped.
///
/// Its descriptor makes it known to a process that is no forked child: that process gets it over a
/// socket, as an inherited one, or by opening `/proc/PID/fd/NUMBER`.
#[derive(Debug)]
pub struct HostRegion(Shared);

impl HostRegion {
    /// Maps the region that another process has made, from a descriptor of it.
    ///
    /// # Errors
    /// [`IpcError::BadArgument`] for a descriptor of anything else; [`IpcError::NoRoom`].
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self, IpcError> {
        Shared::open(descriptor, REGION).map(Self)
    }
}

impl AsFd for HostRegion {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }
}

impl Region for HostRegion {
    fn words(&self) -> &[AtomicU32] {
        // SAFETY: mapped while `self` lives, aligned to a page, and reached through atomics only.
        unsafe { std::slice::from_raw_parts(self.0.base().cast(), self.0.len() / 4) }
    }
}

/// A process-shared semaphore in memory of its own.
#[derive(Debug)]
pub struct HostSemaphore(Shared);

impl HostSemaphore {
    /// Maps the semaphore that another process has made, from a descriptor of it.
    ///
    /// # Errors
    /// As for [`HostRegion::from_descriptor`].
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self, IpcError> {
        // Nobody sees the descriptor of one before it is initialised: see `semaphore`.
        Shared::open(descriptor, SEMAPHORE).map(Self)
    }

    fn at(&self) -> *mut libc::sem_t {
        self.0.base().cast()
    }
}

impl AsFd for HostSemaphore {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }
}

impl Semaphore for HostSemaphore {
    fn take(&self, wait: Wait) -> Result<(), IpcError> {
        let at = self.at();
        let taken = match (wait, deadline(wait)) {
            // SAFETY: the semaphore was made by `semaphore` and lives while `self` does; so below.
            (Wait::No, _) => retry(|| unsafe { libc::sem_trywait(at) }),
            // SAFETY: as above; the time is ours.
            (_, Some(end)) => retry(|| unsafe { libc::sem_timedwait(at, &raw const end) }),
            // SAFETY: as above.
            (_, None) => retry(|| unsafe { libc::sem_wait(at) }),
        };
        taken.map(drop)
    }

    fn post(&self) -> Result<(), IpcError> {
        // SAFETY: as in `take`.
        retry(|| unsafe { libc::sem_post(self.at()) }).map(drop)
    }
}

/// A POSIX message queue whose name has been removed.
#[derive(Debug)]
pub struct HostMailbox(libc::mqd_t);

impl Mailbox for HostMailbox {
    fn send(&self, message: &[u8], wait: Wait) -> Result<(), IpcError> {
        let (bytes, len) = (message.as_ptr().cast(), message.len());
        let sent = match deadline(wait) {
            Some(end) => retry(|| {
                // SAFETY: the queue is open while `self` lives; the message and the time are ours.
                unsafe { libc::mq_timedsend(self.0, bytes, len, 0, &raw const end) }
            }),
            // SAFETY: as above.
            None => retry(|| unsafe { libc::mq_send(self.0, bytes, len, 0) }),
        };
        sent.map(drop).map_err(|error| at_once(error, wait))
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<usize, IpcError> {
        let (bytes, len) = (buffer.as_mut_ptr().cast(), buffer.len());
        let priority = std::ptr::null_mut();
        let received = match deadline(wait) {
            Some(end) => retry(|| {
                // SAFETY: the queue is open while `self` lives; the buffer and the time are ours.
                let len =
                    unsafe { libc::mq_timedreceive(self.0, bytes, len, priority, &raw const end) };
                len as libc::c_int
            }),
            None => retry(|| {
                // SAFETY: as above.
                let len = unsafe { libc::mq_receive(self.0, bytes, len, priority) };
                len as libc::c_int
            }),
        };
        match received {
            Ok(len) => Ok(len as usize),
            Err(error) => Err(at_once(error, wait)),
        }
    }
}

impl Drop for HostMailbox {
    fn drop(&mut self) {
        // SAFETY: open, and closed once.
        let closed = unsafe { libc::mq_close(self.0) };
        assert_eq!(closed, 0, "invariant: the queue is open");
    }
}

impl Ipc for Host {
    type Stream = HostStream;
    type Region = HostRegion;
    type Semaphore = HostSemaphore;
    type Mailbox = HostMailbox;
    type Listener = HostListener;

    fn pipe(&self) -> Result<(HostStream, HostStream), IpcError> {
        let (reader, writer) = io::pipe()?;
        Ok((HostStream::Reader(reader), HostStream::Writer(writer)))
    }

    fn region(&self, words: usize) -> Result<HostRegion, IpcError> {
        let len = words.checked_mul(4).filter(|len| *len > 0);
        Ok(HostRegion(Shared::new(
            len.ok_or(IpcError::BadArgument)?,
            REGION,
        )?))
    }

    fn semaphore(&self, value: u32) -> Result<HostSemaphore, IpcError> {
        let semaphore = HostSemaphore(Shared::new(size_of::<libc::sem_t>(), SEMAPHORE)?);
        // SAFETY: the memory is large enough, aligned to a page, shared, and nobody else's yet.
        retry(|| unsafe { libc::sem_init(semaphore.at(), 1, value) })?;
        Ok(semaphore)
    }

    fn mailbox(&self, messages: usize, message_len: usize) -> Result<HostMailbox, IpcError> {
        let number = QUEUES.fetch_add(1, Relaxed);
        let name = format!("/kernel-bridge-{}-{number}", std::process::id());
        let name = CString::new(name).expect("invariant: no zero byte");
        // SAFETY: a structure of numbers, for which zeros are valid.
        let mut attributes: libc::mq_attr = unsafe { MaybeUninit::zeroed().assume_init() };
        attributes.mq_maxmsg = messages.try_into().map_err(|_| IpcError::BadArgument)?;
        attributes.mq_msgsize = message_len.try_into().map_err(|_| IpcError::BadArgument)?;
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: the name is a string, and the variable arguments are a mode and the attributes.
        let queue = retry(|| unsafe {
            libc::mq_open(
                name.as_ptr(),
                flags,
                0o600 as libc::mode_t,
                &raw mut attributes,
            )
        })?;
        let queue = HostMailbox(queue);
        // SAFETY: the name is a string.
        retry(|| unsafe { libc::mq_unlink(name.as_ptr()) })?;
        Ok(queue)
    }

    fn listen(&self, name: &str, backlog: usize) -> Result<HostListener, IpcError> {
        let backlog = libc::c_int::try_from(backlog).map_err(|_| IpcError::BadArgument)?;
        if backlog == 0 || name.is_empty() {
            return Err(IpcError::BadArgument);
        }
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        // SAFETY: the socket is ours; listening again changes the backlog, which counts one more.
        retry(|| unsafe { libc::listen(listener.as_raw_fd(), backlog - 1) })?;
        Ok(HostListener(listener))
    }

    fn connect(&self, name: &str) -> Result<HostStream, IpcError> {
        let address = SocketAddr::from_abstract_name(name)?;
        Ok(HostStream::Socket(UnixStream::connect_addr(&address)?))
    }
}
