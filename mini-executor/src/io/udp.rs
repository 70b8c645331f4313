//! UDP.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::{SocketAddr, ToSocketAddrs},
};

use exec_core::Threads;
use mio::Interest;

use super::{readiness::Way, source::Watched, tcp::first_of};
use crate::spawner::Spawner;

/// A socket for datagrams.
///
/// # Examples
/// ```
/// use mini_executor::{Runtime, io::UdpSocket};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let a = UdpSocket::bind(&runtime.spawner(), "127.0.0.1:0")?;
/// let b = UdpSocket::bind(&runtime.spawner(), "127.0.0.1:0")?;
/// runtime.block_on(async {
///     a.send_to(b"hello", b.local_addr()?).await?;
///     let mut buffer = [0; 16];
///     let (length, from) = b.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..length], from), (&b"hello"[..], a.local_addr()?));
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok(()) }
/// ```
pub struct UdpSocket(Watched<mio::net::UdpSocket>);

impl UdpSocket {
    /// A socket bound to the first of `addresses` that can be had.
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
            Self::watch(spawner, mio::net::UdpSocket::bind(address)?)
        })
    }

    /// Takes over a socket of std.
    ///
    /// # Errors
    /// The system's.
    pub fn from_std<T: Threads>(
        spawner: &Spawner<T>,
        socket: std::net::UdpSocket,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::watch(spawner, mio::net::UdpSocket::from_std(socket))
    }

    fn watch<T: Threads>(spawner: &Spawner<T>, socket: mio::net::UdpSocket) -> io::Result<Self> {
        Watched::new(spawner, socket, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// Sets the only peer to send to and receive from.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.0.io().connect(peer)
    }

    /// Sends a datagram to `peer`.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing was sent when it is dropped before it returned.
    pub async fn send_to(&self, from: &[u8], peer: SocketAddr) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_io(Way::Out, cx, |io| io.send_to(from, peer))).await
    }

    /// Receives a datagram; what does not fit into `to` is lost.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// No datagram is lost.
    pub async fn recv_from(&self, to: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        poll_fn(|cx| self.0.poll_io(Way::In, cx, |io| io.recv_from(to))).await
    }

    /// Sends a datagram to the peer of [`connect`](Self::connect).
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing was sent when it is dropped before it returned.
    pub async fn send(&self, from: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_io(Way::Out, cx, |io| io.send(from))).await
    }

    /// Receives a datagram of the peer of [`connect`](Self::connect).
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// No datagram is lost.
    pub async fn recv(&self, to: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_io(Way::In, cx, |io| io.recv(to))).await
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }

    /// The address of the peer of [`connect`](Self::connect).
    ///
    /// # Errors
    /// The system's; `NotConnected` without one.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().peer_addr()
    }
}

#[cfg(unix)]
super::source::descriptor!(UdpSocket);

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}
