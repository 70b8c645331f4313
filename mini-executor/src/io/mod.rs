//! Sockets, whose readiness a reactor watches.
//!
//! `reactor.rs` asks the system for events, `readiness.rs` is what one descriptor is ready for and
//! who waits for it, `source.rs` a socket with its place there; the other modules are the kinds of
//! socket. Sockets are used through shared references, by the methods of [`Stream`],
//! or by the traits of `futures-io`.

pub(crate) mod reactor;
pub(crate) mod readiness;
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
