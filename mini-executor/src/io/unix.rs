//! Sockets of the local machine.

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{self, SocketAddr},
    path::Path,
    task::{Context, Poll},
};

use exec_core::Threads;
use mio::Interest;

use super::{
    readiness::Way,
    source::Watched,
    stream::{Stream, futures_io},
};
use crate::spawner::Spawner;

/// Accepts local connections.
///
/// # Examples
/// ```
/// use mini_executor::{Runtime, io::{Stream, UnixListener, UnixStream}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("example-{}", std::process::id()));
/// let runtime = Runtime::new()?;
/// let spawner = runtime.spawner();
/// let listener = UnixListener::bind(&spawner, &path)?;
/// let hello = runtime.spawn(async move { listener.accept().await?.write_all(b"hello").await });
/// let mut buffer = [0; 5];
/// runtime.block_on(async {
///     UnixStream::connect(&spawner, &path).await?.read_exact(&mut buffer).await
/// })?;
/// assert_eq!(&buffer, b"hello");
/// hello.join()??;
/// // The path stays when the listener goes.
/// std::fs::remove_file(&path)?;
/// # Ok(()) }
/// ```
pub struct UnixListener(Watched<mio::net::UnixListener>);

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    /// The system's.
    pub fn bind<T: Threads>(spawner: &Spawner<T>, path: impl AsRef<Path>) -> io::Result<Self> {
        let listener = mio::net::UnixListener::bind(path)?;
        Watched::new(spawner, listener, Interest::READABLE).map(Self)
    }

    /// Takes over a listener of std.
    ///
    /// # Errors
    /// The system's.
    pub fn from_std<T: Threads>(
        spawner: &Spawner<T>,
        listener: net::UnixListener,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::UnixListener::from_std(listener);
        Watched::new(spawner, listener, Interest::READABLE).map(Self)
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }

    /// Waits for the next connection, which is served by the reactor of the same runtime.
    ///
    /// # Errors
    /// The system's. When it is out of descriptors, wait a little and accept again: the
    /// connection is still there.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let accept = |io: &mio::net::UnixListener| io.accept();
        let (stream, _) = poll_fn(|cx| self.0.poll_io(Way::In, cx, accept)).await?;
        Ok(UnixStream(self.0.accepted(stream)?))
    }
}

/// A local connection.
pub struct UnixStream(pub(super) Watched<mio::net::UnixStream>);

impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    /// The system's. On Linux `WouldBlock` when the listener's queue is full: wait a little and
    /// connect again.
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn connect<T: Threads>(
        spawner: &Spawner<T>,
        path: impl AsRef<Path>,
    ) -> io::Result<Self> {
        let stream = mio::net::UnixStream::connect(path)?;
        let stream = Watched::new(spawner, stream, Interest::READABLE | Interest::WRITABLE)?;
        poll_fn(|cx| {
            stream.poll_io(Way::Out, cx, |io| match io.take_error()? {
                Some(error) => Err(error),
                None => Ok(()),
            })
        })
        .await?;
        Ok(Self(stream))
    }

    /// Two streams that are connected with each other.
    ///
    /// # Errors
    /// The system's.
    pub fn pair<T: Threads>(spawner: &Spawner<T>) -> io::Result<(Self, Self)> {
        let (a, b) = mio::net::UnixStream::pair()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        Ok((
            Self(Watched::new(spawner, a, both)?),
            Self(Watched::new(spawner, b, both)?),
        ))
    }

    /// Takes over a stream of std.
    ///
    /// # Errors
    /// The system's.
    pub fn from_std<T: Threads>(spawner: &Spawner<T>, stream: net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::UnixStream::from_std(stream);
        Watched::new(spawner, stream, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// The address of this end; it has none if it was not bound to one.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().peer_addr()
    }

    /// Ends reading, writing, or both.
    ///
    /// # Errors
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.io().shutdown(how)
    }
}

impl Stream for UnixStream {
    fn poll_read(&self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Way::In, to.len(), cx, |mut io: &mio::net::UnixStream| {
                io.read(to)
            })
    }
    fn poll_write(&self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Way::Out, from.len(), cx, |mut io: &mio::net::UnixStream| {
                io.write(from)
            })
    }
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let most = from.iter().map(|slice| slice.len()).sum();
        self.0
            .poll_transfer(Way::Out, most, cx, |mut io: &mio::net::UnixStream| {
                io.write_vectored(from)
            })
    }
}

futures_io!(UnixStream);
super::source::descriptor!(UnixListener, UnixStream);

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}
