//! TCP.

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, ToSocketAddrs},
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

/// Calls `f` with each address until one works.
pub(super) fn first_of<R>(
    addresses: impl ToSocketAddrs,
    mut f: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match f(address) {
            Ok(result) => return Ok(result),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address was given")))
}

/// Accepts connections.
///
/// # Examples
/// ```
/// use mini_executor::{Runtime, io::{Stream, TcpListener, TcpStream}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let listener = TcpListener::bind(&runtime.spawner(), "127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let echo = runtime.spawn(async move {
///     let (peer, _) = listener.accept().await?;
///     let mut buffer = [0; 5];
///     peer.read_exact(&mut buffer).await?;
///     peer.write_all(&buffer).await
/// });
/// let spawner = runtime.spawner();
/// let text = runtime.block_on(async {
///     let stream = TcpStream::connect(&spawner, address).await?;
///     stream.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     stream.read_exact(&mut buffer).await?;
///     Ok::<_, std::io::Error>(buffer)
/// })?;
/// assert_eq!(&text, b"hello");
/// echo.join()??;
/// # Ok(()) }
/// ```
pub struct TcpListener(Watched<mio::net::TcpListener>);

impl TcpListener {
    /// Listens on the first of `addresses` that can be had.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Blocking
    /// While names are looked up, if they are given.
    pub fn bind<T: Threads>(
        spawner: &Spawner<T>,
        addresses: impl ToSocketAddrs,
    ) -> io::Result<Self> {
        first_of(addresses, |address| {
            let listener = mio::net::TcpListener::bind(address)?;
            Watched::new(spawner, listener, Interest::READABLE).map(Self)
        })
    }

    /// Takes over a listener of std.
    ///
    /// # Errors
    /// The system's.
    pub fn from_std<T: Threads>(
        spawner: &Spawner<T>,
        listener: std::net::TcpListener,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::TcpListener::from_std(listener);
        Watched::new(spawner, listener, Interest::READABLE).map(Self)
    }

    /// Waits for the next connection, which is served by the reactor of the same runtime.
    ///
    /// # Errors
    /// The system's. When it is out of descriptors, wait a little and accept again: the
    /// connection is still there.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`accept`](Self::accept), for futures that are written by hand.
    ///
    /// # Errors
    /// As there.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.0
            .poll_io(Way::In, cx, mio::net::TcpListener::accept)
            .map(|accepted| {
                let (stream, address) = accepted?;
                Ok((TcpStream(self.0.accepted(stream)?), address))
            })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }
}

/// A connection.
pub struct TcpStream(pub(super) Watched<mio::net::TcpStream>);

impl TcpStream {
    /// Connects to the first of `addresses` that answers.
    ///
    /// # Errors
    /// The system's, for the last address.
    ///
    /// # Blocking
    /// While names are looked up, if they are given: give addresses, or look names up with
    /// [`unblock`](crate::Runtime::unblock).
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn connect<T: Threads>(
        spawner: &Spawner<T>,
        addresses: impl ToSocketAddrs,
    ) -> io::Result<Self> {
        let mut last = None;
        for address in addresses.to_socket_addrs()? {
            match Self::connect_one(spawner, address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last
            .unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address was given")))
    }

    async fn connect_one<T: Threads>(
        spawner: &Spawner<T>,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let stream = mio::net::TcpStream::connect(address)?;
        let stream = Watched::new(spawner, stream, Interest::READABLE | Interest::WRITABLE)?;
        // Writable, or failed: the socket's own error tells which.
        poll_fn(|cx| {
            stream.poll_io(Way::Out, cx, |io| {
                if let Some(error) = io.take_error()? {
                    return Err(error);
                }
                match io.peer_addr() {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    connected => connected.map(drop),
                }
            })
        })
        .await?;
        Ok(Self(stream))
    }

    /// Takes over a stream of std.
    ///
    /// # Errors
    /// The system's.
    pub fn from_std<T: Threads>(
        spawner: &Spawner<T>,
        stream: std::net::TcpStream,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::TcpStream::from_std(stream);
        Watched::new(spawner, stream, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// Ends reading, writing, or both.
    ///
    /// # Errors
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.io().shutdown(how)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, yes: bool) -> io::Result<()> {
        self.0.io().set_nodelay(yes)
    }

    /// The address of this end.
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
}

impl Stream for TcpStream {
    fn poll_read(&self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Way::In, to.len(), cx, |mut io: &mio::net::TcpStream| {
                io.read(to)
            })
    }
    fn poll_write(&self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Way::Out, from.len(), cx, |mut io: &mio::net::TcpStream| {
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
            .poll_transfer(Way::Out, most, cx, |mut io: &mio::net::TcpStream| {
                io.write_vectored(from)
            })
    }
}

futures_io!(TcpStream);
#[cfg(unix)]
super::source::descriptor!(TcpListener, TcpStream);

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}
