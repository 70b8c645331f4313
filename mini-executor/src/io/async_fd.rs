//! Any descriptor that the system can watch: sockets of other kinds, pipes, and so on.

use std::{
    fmt,
    future::poll_fn,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    task::{Context, Poll, ready},
};

use exec_core::Threads;
use mio::{Interest, Registry, Token, event, unix::SourceFd};

use super::{
    readiness::{Seen, Way},
    source::Watched,
};
use crate::spawner::Spawner;

/// Something with a descriptor, for the selector.
struct Descriptor<F: AsFd>(F);

impl<F: AsFd> Descriptor<F> {
    fn number(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<F: AsFd> event::Source for Descriptor<F> {
    fn register(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
        SourceFd(&self.number()).register(registry, token, how)
    }
    fn reregister(&mut self, registry: &Registry, token: Token, how: Interest) -> io::Result<()> {
        SourceFd(&self.number()).reregister(registry, token, how)
    }
    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.number()).deregister(registry)
    }
}

/// A descriptor that is not to block, watched by the reactor.
///
/// It is watched until it is dropped, or taken back by [`into_inner`](Self::into_inner). What is
/// inside keeps its descriptor open for so long, which a bare number can't promise (for one, say so
/// with `BorrowedFd::borrow_raw`); and it must be the same descriptor each time. Regular files
/// can't be watched.
///
/// ```compile_fail,E0277
/// let runtime = mini_executor::Runtime::new().unwrap();
/// mini_executor::io::AsyncFd::new(&runtime.spawner(), 0);
/// ```
///
/// # Examples
/// ```
/// use std::{io::{Read, Write}, os::unix::net::UnixStream};
/// use mini_executor::{Runtime, io::AsyncFd};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let (a, mut b) = UnixStream::pair()?;
/// a.set_nonblocking(true)?;
/// let a = AsyncFd::new(&runtime.spawner(), a)?;
/// b.write_all(b"hello")?;
/// let mut buffer = [0; 16];
/// let n = runtime.block_on(a.read_with(|mut a| a.read(&mut buffer)))?;
/// assert_eq!(&buffer[..n], b"hello");
/// # Ok(()) }
/// ```
pub struct AsyncFd<F: AsFd>(Watched<Descriptor<F>>);

/// That a descriptor is ready, as [`AsyncFd::readable`] and [`AsyncFd::writable`] have seen it.
#[must_use = "an operation that would block has to be told, or the next wait ends at once"]
pub struct Ready<'a, F: AsFd> {
    of: &'a AsyncFd<F>,
    way: Way,
    seen: Seen,
}

impl<F: AsFd> AsyncFd<F> {
    /// Watches `inner` for reading and writing. It must not block: set `O_NONBLOCK` before.
    ///
    /// # Errors
    /// The system's, for example when it can't watch such a descriptor.
    pub fn new<T: Threads>(spawner: &Spawner<T>, inner: F) -> io::Result<Self> {
        Self::with_interest(spawner, inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`new`](Self::new) for a descriptor that is only read.
    ///
    /// # Errors
    /// As there.
    pub fn for_reading<T: Threads>(spawner: &Spawner<T>, inner: F) -> io::Result<Self> {
        Self::with_interest(spawner, inner, Interest::READABLE)
    }

    /// As [`new`](Self::new) for a descriptor that is only written.
    ///
    /// # Errors
    /// As there.
    pub fn for_writing<T: Threads>(spawner: &Spawner<T>, inner: F) -> io::Result<Self> {
        Self::with_interest(spawner, inner, Interest::WRITABLE)
    }

    fn with_interest<T: Threads>(
        spawner: &Spawner<T>,
        inner: F,
        interest: Interest,
    ) -> io::Result<Self> {
        Watched::new(spawner, Descriptor(inner), interest).map(Self)
    }

    /// What is inside.
    pub fn get_ref(&self) -> &F {
        &self.0.io().0
    }

    /// Takes out what is inside, which is no longer watched.
    pub fn into_inner(self) -> F {
        self.0.into_io().0
    }

    /// Waits until it may be readable.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn readable(&self) -> Ready<'_, F> {
        self.ready(Way::In).await
    }

    /// Waits until it may be writable.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn writable(&self) -> Ready<'_, F> {
        self.ready(Way::Out).await
    }

    async fn ready(&self, way: Way) -> Ready<'_, F> {
        let seen = poll_fn(|cx| self.0.poll_ready(way, cx)).await;
        Ready {
            of: self,
            way,
            seen,
        }
    }

    /// Polls for readability, for futures that are written by hand.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<Ready<'_, F>> {
        let seen = ready!(self.0.poll_ready(Way::In, cx));
        Poll::Ready(Ready {
            of: self,
            way: Way::In,
            seen,
        })
    }

    /// Polls for writability, for futures that are written by hand.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<Ready<'_, F>> {
        let seen = ready!(self.0.poll_ready(Way::Out, cx));
        Poll::Ready(Ready {
            of: self,
            way: Way::Out,
            seen,
        })
    }

    /// Calls `read` each time that it is readable, until it does not say `WouldBlock`.
    ///
    /// # Errors
    /// Those of `read`.
    ///
    /// # Cancel safety
    /// `read` has either returned something else than `WouldBlock`, or had no effect.
    pub async fn read_with<R>(&self, mut read: impl FnMut(&F) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.poll_read_with(cx, &mut read)).await
    }

    /// As [`read_with`](Self::read_with), for futures that are written by hand.
    ///
    /// # Errors
    /// As there.
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&F) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.0.poll_io(Way::In, cx, |io| read(&io.0))
    }

    /// Calls `write` each time that it is writable, until it does not say `WouldBlock`.
    ///
    /// # Errors
    /// Those of `write`.
    ///
    /// # Cancel safety
    /// As for [`read_with`](Self::read_with).
    pub async fn write_with<R>(&self, mut write: impl FnMut(&F) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.poll_write_with(cx, &mut write)).await
    }

    /// As [`write_with`](Self::write_with), for futures that are written by hand.
    ///
    /// # Errors
    /// As there.
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&F) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.0.poll_io(Way::Out, cx, |io| write(&io.0))
    }
}

impl<F: AsFd> Ready<'_, F> {
    /// Calls `operation`; when it says `WouldBlock`, notes that the descriptor is not ready, and
    /// returns `None`: wait again.
    ///
    /// # Errors
    /// Those of `operation`, but `WouldBlock`.
    pub fn try_io<R>(self, operation: impl FnOnce(&F) -> io::Result<R>) -> Option<io::Result<R>> {
        match operation(self.of.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear();
                None
            }
            result => Some(result),
        }
    }

    /// Notes that the descriptor is not ready any more.
    pub fn clear(self) {
        self.of.0.clear(self.way, self.seen);
    }
}

impl<F: AsFd> AsFd for AsyncFd<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<F: AsFd> AsRawFd for AsyncFd<F> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<F: AsFd + fmt::Debug> fmt::Debug for AsyncFd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(self.get_ref()).finish()
    }
}

impl<F: AsFd> fmt::Debug for Ready<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}
