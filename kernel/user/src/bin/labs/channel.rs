//! The ways that bytes can go between two units of this kernel, with one face.
//!
//! Each way has two ends, made before the second unit is; a forked process may use its end as a
//! thread may. All are those of `kernel_bridge::ipc`, but for named pipes and messages by process
//! number, which only this kernel's system calls have.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use kernel_bridge::ipc::{Ipc, IpcError, Listener, Mailbox, Ring, RingParts, Stream, Wait};
use user::kernel::{Kernel, file, object};
use user::process;

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two pipes.
    Pipe,
    /// Two pipes with names.
    NamedPipe,
    /// A connection of the local kind.
    Socket,
    /// Two rings in shared memory, whose places are counted by semaphores.
    SharedMemory,
    /// Two mailboxes.
    Mailbox,
    /// Messages to a process, by its number.
    Message,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pipe,
        Self::NamedPipe,
        Self::Socket,
        Self::SharedMemory,
        Self::Mailbox,
        Self::Message,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::NamedPipe => "named-pipe",
            Self::Socket => "local-socket",
            Self::SharedMemory => "shared-memory",
            Self::Mailbox => "message-queue",
            Self::Message => "message",
        }
    }

    /// The longest message that it takes.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Mailbox => 1024,
            Self::Message => object::MESSAGE_LEN,
            _ => usize::MAX,
        }
    }

    /// Whether it also goes between threads of one process.
    pub(crate) fn joins_threads(self) -> bool {
        self != Self::Message
    }
}

/// One side of a way.
pub(crate) trait End: Send {
    /// Sends a message.
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError>;
    /// Waits for one that fills the buffer.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError>;
}

/// Both ends of a way for messages of this size.
pub(crate) type Ends = (Box<dyn End>, Box<dyn End>);

/// Makes a way.
pub(crate) fn make(kind: Kind, size: usize) -> Result<Ends, String> {
    ends(kind, size).map_err(|why| format!("no {}: {why}", kind.name()))
}

fn ends(kind: Kind, size: usize) -> Result<Ends, IpcError> {
    Ok(match kind {
        Kind::Pipe => {
            let (there, back) = (Kernel.pipe()?, Kernel.pipe()?);
            both(Streams(back.0, there.1), Streams(there.0, back.1))
        }
        Kind::NamedPipe => {
            let (there, back) = (NamedPipe::make("there")?, NamedPipe::make("back")?);
            let (there, back) = (Arc::new(there), Arc::new(back));
            both(
                Named(Arc::clone(&back), Arc::clone(&there)),
                Named(there, back),
            )
        }
        Kind::Socket => {
            let name = format!("labs-{}", process::id().0);
            let listener = Kernel.listen(&name, 1)?;
            let first = Kernel.connect(&name)?;
            let second = listener.accept(Wait::Forever)?;
            both(Connection(first), Connection(second))
        }
        Kind::SharedMemory => {
            let parts = || RingParts::new(Kernel, PLACES).map(Arc::new);
            let (there, back) = (parts()?, parts()?);
            both(Rings::new(&back, &there), Rings::new(&there, &back))
        }
        Kind::Mailbox => {
            let mailbox = || Kernel.mailbox(PLACES, size).map(Arc::new);
            let (there, back) = (mailbox()?, mailbox()?);
            both(
                Mailboxes(Arc::clone(&back), Arc::clone(&there)),
                Mailboxes(there, back),
            )
        }
        Kind::Message => {
            let parent = process::id().0;
            both(Messages { peer: None }, Messages { peer: Some(parent) })
        }
    })
}

fn both(first: impl End + 'static, second: impl End + 'static) -> Ends {
    (Box::new(first), Box::new(second))
}

/// Messages that a mailbox has room for, and places of a ring, which are 64 KiB in all.
const PLACES: usize = 16;

type KernelStream = <Kernel as Ipc>::Stream;
type KernelMailbox = <Kernel as Ipc>::Mailbox;

/// Reads until the buffer is full; an end before that is one.
fn fill(stream: &impl Stream, buffer: &mut [u8]) -> Result<(), IpcError> {
    match stream.read_full(buffer)? == buffer.len() {
        true => Ok(()),
        false => Err(IpcError::Closed),
    }
}

/// Where to read from, and where to write to.
struct Streams(KernelStream, KernelStream);

impl End for Streams {
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        self.1.write_all(message)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        fill(&self.0, buffer)
    }
}

struct Connection(KernelStream);

impl End for Connection {
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        self.0.write_all(message)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        fill(&self.0, buffer)
    }
}

/// A pipe with a name, open for both directions.
struct NamedPipe(i32);

impl NamedPipe {
    fn make(name: &str) -> Result<Self, IpcError> {
        let path = CString::new(format!("/labs-{}-{name}", process::id().0));
        let path = path.map_err(|_| IpcError::BadArgument)?;
        file::mkfifo(&path)?;
        let fd = file::open_for(&path, file::Mode::ReadWrite)?;
        // It is open: the name is not needed any more.
        file::unlink(&path)?;
        Ok(Self(fd))
    }
}

impl Stream for NamedPipe {
    fn read(&self, buffer: &mut [u8]) -> Result<usize, IpcError> {
        Ok(file::read(self.0, buffer)?)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, IpcError> {
        Ok(file::write(self.0, bytes)?)
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        // It is open: only this value knows the number.
        let _ = file::close(self.0);
    }
}

struct Named(Arc<NamedPipe>, Arc<NamedPipe>);

impl End for Named {
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        self.1.write_all(message)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        fill(&*self.0, buffer)
    }
}

/// The ring to read from, and the one to write to.
struct Rings(Ring<Kernel>, Ring<Kernel>);

impl Rings {
    fn new(read: &Arc<RingParts<Kernel>>, write: &Arc<RingParts<Kernel>>) -> Self {
        Self(Ring::new(Arc::clone(read)), Ring::new(Arc::clone(write)))
    }
}

impl End for Rings {
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        self.1.send(message)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        self.0.receive(buffer)
    }
}

struct Mailboxes(Arc<KernelMailbox>, Arc<KernelMailbox>);

impl End for Mailboxes {
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        self.1.send(message, Wait::Forever)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        exactly(buffer.len(), self.0.receive(buffer, Wait::Forever)?)
    }
}

/// The parent learns who its peer is from the peer's first message.
struct Messages {
    peer: Option<u32>,
}

impl End for Messages {
    fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        let peer = self.peer.ok_or(IpcError::Refused)?;
        Ok(object::message_send(peer, message, u64::MAX)?)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        let mut room = [0; object::MESSAGE_LEN];
        let (len, sender) = object::message_receive(&mut room, u64::MAX)?;
        self.peer = Some(sender);
        exactly(buffer.len(), len)?;
        buffer.copy_from_slice(&room[..len]);
        Ok(())
    }
}

/// A message of another length is not the one that was sent.
fn exactly(wanted: usize, came: usize) -> Result<(), IpcError> {
    match wanted == came {
        true => Ok(()),
        false => Err(IpcError::Size),
    }
}
