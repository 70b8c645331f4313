//! One thread of a pool that is being built, and the ways to start it.

use std::{fmt, io};

use exec_core::sync::{Arc, Weak, thread};
use pool_workstealing as ws;

use crate::registry::{self, Begun, Home};

/// One thread to be started; what a [spawn handler](crate::ThreadPoolBuilder::spawn_handler) gets.
pub struct ThreadBuilder {
    pub(crate) seat: ws::ThreadBuilder,
    pub(crate) name: Option<String>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) home: Weak<Home>,
    pub(crate) begun: Arc<Begun>,
}

impl ThreadBuilder {
    /// The index of the worker, from 0.
    pub fn index(&self) -> usize {
        self.seat.index()
    }

    /// The name that the builder's closure gave.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The stack size that was asked for, in bytes.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// The life of the worker: to be called once, on its thread.
    ///
    /// # Blocking
    /// Until the pool has been dropped and all that was spawned has ended.
    pub fn run(self) {
        registry::move_to(self.home);
        self.begun.add();
        self.seat.run();
        registry::move_to(Weak::new());
    }

    /// The current thread is this worker from now on, and goes on with what it does.
    pub(crate) fn enter(self) {
        registry::move_to(self.home);
        self.begun.add();
        self.seat.enter();
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder")
            .field("index", &self.index())
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

/// How a builder starts threads; a detail of the builder's type, not to be implemented elsewhere.
pub trait ThreadSpawn: sealed::Sealed {
    /// Starts a thread that calls [`ThreadBuilder::run`].
    ///
    /// # Errors
    /// What the system says.
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()>;
}

mod sealed {
    /// Keeps [`ThreadSpawn`](super::ThreadSpawn) in this crate.
    pub trait Sealed {}
}

/// Threads of the standard library.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultSpawn;

impl sealed::Sealed for DefaultSpawn {}

impl ThreadSpawn for DefaultSpawn {
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()> {
        let mut builder = thread::Builder::new();
        if let Some(name) = &thread.name {
            builder = builder.name(name.clone());
        }
        if let Some(bytes) = thread.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(|| thread.run()).map(drop)
    }
}

/// Threads that a closure starts.
#[derive(Clone, Copy, Debug)]
pub struct CustomSpawn<F>(pub(crate) F);

impl<F> sealed::Sealed for CustomSpawn<F> {}

impl<F: FnMut(ThreadBuilder) -> io::Result<()>> ThreadSpawn for CustomSpawn<F> {
    fn spawn(&mut self, thread: ThreadBuilder) -> io::Result<()> {
        (self.0)(thread)
    }
}
