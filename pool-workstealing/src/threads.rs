//! Creating the threads of a pool, all or none, and joining them.

use std::{io, sync::OnceLock};

use exec_core::sync::{Arc, atomic::Ordering::Relaxed, thread};

use crate::{builder::BuildError, registry::Registry, worker::Worker};

/// A thread that can be joined: what a spawn handler returns.
pub trait JoinThread: Send {
    /// Waits for the thread to end.
    ///
    /// # Blocking
    /// Until then.
    fn join(self: Box<Self>);
}

impl<T: Send> JoinThread for thread::JoinHandle<T> {
    fn join(self: Box<Self>) {
        // The thread's main function catches what its jobs do; its own end has no other result.
        let _ = thread::JoinHandle::join(*self);
    }
}

/// One thread to be started: what a spawn handler gets.
pub struct ThreadBuilder {
    pub(crate) name: Option<String>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) index: usize,
    pub(crate) registry: Option<Arc<Registry>>,
}

impl ThreadBuilder {
    /// The index of the worker.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name that was asked for.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The stack size that was asked for, in bytes.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// The life of the worker: to be called once, on the new thread.
    ///
    /// # Blocking
    /// Until the pool ends or shrinks.
    pub fn run(mut self) {
        if let Some(registry) = self.registry.take() {
            Worker::run(registry.clone(), self.index);
            registry.thread_left();
        }
    }

    /// Starts it as a thread of the standard library.
    ///
    /// # Errors
    /// What the system says.
    pub fn spawn(self) -> io::Result<thread::JoinHandle<()>> {
        let mut builder = thread::Builder::new();
        if let Some(name) = &self.name {
            builder = builder.name(name.clone());
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(move || self.run())
    }
}

impl Drop for ThreadBuilder {
    /// Never run: the registry need not wait for it.
    fn drop(&mut self) {
        if let Some(registry) = &self.registry {
            registry.thread_left();
        }
    }
}

impl std::fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadBuilder")
            .field("index", &self.index)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

/// How to start a thread in the user's way.
pub(crate) type SpawnHandler = dyn FnMut(ThreadBuilder) -> io::Result<Box<dyn JoinThread>> + Send;
/// How to name a thread.
pub(crate) type NameThread = dyn FnMut(usize) -> String + Send;

/// The threads of a pool, and how to make more of them.
pub(crate) struct Threads {
    /// By seat.
    started: Vec<Box<dyn JoinThread>>,
    name: Option<Box<NameThread>>,
    stack_size: Option<usize>,
    spawn: Option<Box<SpawnHandler>>,
}

impl Threads {
    /// None yet.
    pub(crate) fn new(
        name: Option<Box<NameThread>>,
        stack_size: Option<usize>,
        spawn: Option<Box<SpawnHandler>>,
    ) -> Self {
        Self {
            started: Vec::new(),
            name,
            stack_size,
            spawn,
        }
    }

    /// Takes the threads out.
    pub(crate) fn take(&mut self) -> Vec<Box<dyn JoinThread>> {
        std::mem::take(&mut self.started)
    }

    /// Takes the threads out that sit beyond seat `wanted`.
    pub(crate) fn beyond(&mut self, wanted: usize) -> Vec<Box<dyn JoinThread>> {
        self.started.split_off(wanted.min(self.started.len()))
    }

    /// Starts threads until the first `wanted` seats are taken.
    ///
    /// # Errors
    /// What the system said of the first one that it refused.
    pub(crate) fn fill(
        &mut self,
        registry: &Arc<Registry>,
        wanted: usize,
    ) -> Result<(), BuildError> {
        while self.started.len() < wanted {
            let index = self.started.len();
            match self.start(registry, index) {
                Ok(thread) => self.started.push(thread),
                Err(source) => {
                    registry.set_threads(index);
                    return Err(BuildError::Thread {
                        started: index,
                        asked: wanted,
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, registry: &Arc<Registry>, index: usize) -> io::Result<Box<dyn JoinThread>> {
        let name = match &mut self.name {
            Some(name) => name(index),
            None => format!("ws-{index}"),
        };
        registry.seats()[index].open_mail();
        registry.expect_thread();
        let thread = ThreadBuilder {
            name: Some(name),
            stack_size: self.stack_size,
            index,
            registry: Some(registry.clone()),
        };
        let started: Box<dyn JoinThread> = match &mut self.spawn {
            Some(spawn) => spawn(thread)?,
            None => Box::new(thread.spawn()?),
        };
        registry.created.fetch_add(1, Relaxed);
        Ok(started)
    }
}

/// How many CPUs this process may use; at least 1.
pub(crate) fn cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
