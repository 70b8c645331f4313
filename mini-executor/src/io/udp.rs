//! UDP.

use std::{fmt, future::poll_fn, io, net::SocketAddr};

use exec_core::Threads;
use mio::Interest;

use super::{readiness::Way, source::Watched};
use crate::spawner::Spawner;

/// A socket for datagrams.
pub struct UdpSocket(Watched<mio::net::UdpSocket>);

impl UdpSocket {
    /// A socket bound to `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn bind<T: Threads>(spawner: &Spawner<T>, address: SocketAddr) -> io::Result<Self> {
        let socket = mio::net::UdpSocket::bind(address)?;
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
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}
