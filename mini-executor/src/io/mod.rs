//! Sockets, whose readiness a reactor watches.
//!
//! `reactor.rs` asks the system for events, `readiness.rs` is what one descriptor is ready for and
//! who waits for it, `source.rs` a socket with its place there; the other modules are the kinds of
//! socket. Sockets are used through shared references, by the methods of [`Stream`],
//! or by the traits of `futures-io`; with the feature
//! `tokio-io` also by tokio's, with `hyper` by hyper's.

#[cfg(all(feature = "net", unix))]
mod async_fd;
#[cfg(feature = "hyper")]
mod hyper_io;
#[cfg(feature = "net")]
pub(crate) mod reactor;
#[cfg(not(loom))]
pub(crate) mod readiness;
#[cfg(loom)]
pub mod readiness;
#[cfg(feature = "net")]
pub(crate) mod source;
#[cfg(feature = "net")]
mod stream;
#[cfg(feature = "net")]
mod tcp;
#[cfg(feature = "tokio-io")]
mod tokio_io;
#[cfg(feature = "net")]
mod udp;
#[cfg(all(feature = "net", unix))]
mod unix;

#[cfg(all(feature = "net", unix))]
pub use async_fd::{AsyncFd, Ready};
#[cfg(feature = "net")]
pub use stream::{ReadExactError, Stream};
#[cfg(feature = "net")]
pub use tcp::{TcpListener, TcpStream};
#[cfg(feature = "net")]
pub use udp::UdpSocket;
#[cfg(all(feature = "net", unix))]
pub use unix::{UnixListener, UnixStream};
