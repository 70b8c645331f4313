//! Sockets, whose readiness a reactor watches.
//!
//! [`reactor`] asks the system for events, [`source`] is one socket in it, the other modules are
//! the kinds of socket.

pub(crate) mod reactor;
pub(crate) mod source;
mod stream;
mod tcp;
mod udp;
#[cfg(unix)]
mod unix;

pub use stream::{ReadExactError, Stream};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixListener, UnixStream};
