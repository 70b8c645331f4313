//! Creating the threads of a pool, all or none, and joining them.

use std::{io, sync::OnceLock};

use exec_core::sync::{Arc, thread};

use crate::{registry::Registry, worker::Worker};

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

/// How many CPUs this process may use; at least 1.
pub(crate) fn cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
