//! Signals of the system, as futures.
//!
//! # Protocol
//! `signal-hook` installs the handler, which does one thing that a handler may do: it writes a
//! byte into a socket that does not block. The other end is in the reactor. Signals that come
//! while one has not been received yet are one, as they are with the system itself.
//!
//! A handler stays installed for the rest of the program, as `signal-hook` does it: after the last
//! [`Signal`] of a kind is dropped, the signal does nothing, and not what it does by default.

use std::{
    fmt,
    io::{self, Read},
    os::unix::net::UnixStream,
};

use exec_core::Threads;
use signal_hook::{SigId, consts, low_level};

use crate::{io::AsyncFd, spawner::Spawner};

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// A signal by its number.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }
    /// Its number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
    /// The terminal hung up, or the configuration is to be read again.
    pub const fn hangup() -> Self {
        Self(consts::SIGHUP)
    }
    /// Control-C.
    pub const fn interrupt() -> Self {
        Self(consts::SIGINT)
    }
    /// The program is asked to end.
    pub const fn terminate() -> Self {
        Self(consts::SIGTERM)
    }
    /// Control-backslash.
    pub const fn quit() -> Self {
        Self(consts::SIGQUIT)
    }
    /// A child has ended or stopped.
    pub const fn child() -> Self {
        Self(consts::SIGCHLD)
    }
    /// The first signal that means what the program wants.
    pub const fn user_1() -> Self {
        Self(consts::SIGUSR1)
    }
    /// The second signal that means what the program wants.
    pub const fn user_2() -> Self {
        Self(consts::SIGUSR2)
    }
    /// The terminal has another size.
    pub const fn window_change() -> Self {
        Self(consts::SIGWINCH)
    }
}

/// Receives one kind of signal.
///
/// # Examples
/// ```
/// use mini_executor::{Runtime, signal::{Signal, SignalKind}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let mut user = Signal::new(&runtime.spawner(), SignalKind::user_1())?;
/// signal_hook::low_level::raise(SignalKind::user_1().as_raw())?;
/// runtime.block_on(user.recv())?;
/// # Ok(()) }
/// ```
pub struct Signal {
    kind: SignalKind,
    id: SigId,
    bytes: AsyncFd<UnixStream>,
}

impl Signal {
    /// Begins to listen. Several may listen to one kind; each receives it.
    ///
    /// # Errors
    /// `InvalidInput` for the signals that can't be caught (`SIGKILL`, `SIGSTOP`) or that mean a
    /// fault of the program (`SIGSEGV`, `SIGILL`, `SIGFPE`); else the system's.
    pub fn new<T: Threads>(spawner: &Spawner<T>, kind: SignalKind) -> io::Result<Self> {
        if consts::FORBIDDEN.contains(&kind.0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this signal can't be received; listen to another one",
            ));
        }
        let (ours, handlers) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let bytes = AsyncFd::for_reading(spawner, ours)?;
        let id = low_level::pipe::register(kind.0, handlers)?;
        Ok(Self { kind, id, bytes })
    }

    /// Waits for the next signal of the kind, or for the first since the last call.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// No signal is lost.
    pub async fn recv(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64];
        self.bytes
            .read_with(|mut from| from.read(&mut bytes))
            .await
            .map(drop)
    }

    /// Which signal it receives.
    pub fn kind(&self) -> SignalKind {
        self.kind
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        low_level::unregister(self.id);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Waits for Control-C.
///
/// # Errors
/// As for [`Signal::new`].
///
/// # Cancel safety
/// It listens from its first poll on; dropping it stops that.
pub async fn ctrl_c<T: Threads>(spawner: &Spawner<T>) -> io::Result<()> {
    Signal::new(spawner, SignalKind::interrupt())?.recv().await
}
