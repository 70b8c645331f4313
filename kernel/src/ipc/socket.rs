//! Local sockets: streams in both directions between processes that meet at a name.
//!
//! # Protocol
//! A listener has a name and a bounded queue of connections that nobody has accepted yet. Connecting
//! makes two pipes, puts their far ends into the queue and returns the near ones at once; what is
//! written before the other side accepts waits in the pipe. Accepting takes the oldest far ends.
//!
//! # Shutdown
//! When the last descriptor of a listener is closed, its name is free, whoever waits to connect is
//! refused, and the connections in the queue close as if they had been accepted and closed.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use kcore::{Backlog, End, Errno, Monitor, Side, SpinLock};

use crate::{
    arch::cpu,
    fs::{
        file::OpenFile,
        pipe::{Pipe, PipeEnd},
    },
    proc::thread::ThreadRef,
    sched::wait::{self, Deadline},
};

/// The names that are taken. Not held while a listener's own lock is taken.
static NAMES: SpinLock<BTreeMap<Vec<u8>, Arc<Queue>>> = SpinLock::new(BTreeMap::new());

/// One side of a connection.
#[derive(Debug)]
struct Connection {
    read: PipeEnd,
    write: PipeEnd,
}

impl From<Connection> for OpenFile {
    fn from(side: Connection) -> Self {
        Self::stream(Some(side.read), Some(side.write))
    }
}

type Queue = Monitor<Backlog<Connection>, ThreadRef>;

/// What a listening descriptor stands for.
#[derive(Debug)]
pub(crate) struct Listener {
    name: Vec<u8>,
    queue: Arc<Queue>,
}

/// Takes a name.
///
/// # Errors
/// `EINVAL` for a bad limit; `EADDRINUSE`.
pub(crate) fn listen(name: &[u8], limit: u64) -> Result<OpenFile, Errno> {
    let backlog = Backlog::new(limit).filter(|_| !name.is_empty());
    let queue = Arc::new(Monitor::new(backlog.ok_or(Errno::EINVAL)?));
    let mut names = NAMES.lock();
    if names.contains_key(name) {
        return Err(Errno::EADDRINUSE);
    }
    names.insert(name.to_vec(), Arc::clone(&queue));
    Ok(OpenFile::listener(Listener {
        name: name.to_vec(),
        queue,
    }))
}

/// Connects to the listener of a name.
///
/// # Errors
/// `ECONNREFUSED`, also if the listener closes meanwhile; `ENOMEM`; `EINTR`; `EAGAIN` or `ETIMEDOUT`.
///
/// # Blocking
/// While the listener's queue is full, until `deadline`.
pub(crate) fn connect(name: &[u8], mut deadline: Deadline) -> Result<OpenFile, Errno> {
    let queue = NAMES.lock().get(name).cloned();
    let queue = queue.ok_or(Errno::ECONNREFUSED)?;
    let (there, back) = (Pipe::new()?, Pipe::new()?);
    let mut far = Some(Connection {
        read: there.end(End::Read),
        write: back.end(End::Write),
    });
    let near = Connection {
        read: back.end(End::Read),
        write: there.end(End::Write),
    };
    let thread = cpu::current();
    let joined = queue.wait(
        &ThreadRef(thread),
        Side::Givers,
        |backlog, wakes| backlog.connect(&mut far, wakes),
        || wait::pause(thread, deadline.get()),
    );
    joined??;
    Ok(near.into())
}

impl Listener {
    /// Takes the connection that has waited longest.
    ///
    /// # Errors
    /// `EINTR`, `EAGAIN` or `ETIMEDOUT`.
    ///
    /// # Blocking
    /// Until there is one, or `deadline`.
    pub(crate) fn accept(&self, mut deadline: Deadline) -> Result<OpenFile, Errno> {
        let thread = cpu::current();
        let accepted = self
            .queue
            .wait(&ThreadRef(thread), Side::Takers, Backlog::accept, || {
                wait::pause(thread, deadline.get())
            });
        Ok(accepted?.into())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        NAMES.lock().remove(&self.name);
        let left = self.queue.with(Backlog::close);
        // Closed without the queue's lock.
        drop(left);
    }
}
