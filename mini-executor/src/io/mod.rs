//! Sockets, whose readiness a reactor watches.
//!
//! `reactor.rs` asks the system for events, `source.rs` is one socket in it, the other modules are
//! the kinds of socket. Sockets are used through shared references, by the methods of [`Stream`],
//! or by the traits of `futures-io`.

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
