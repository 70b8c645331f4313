//! The pool behind the free functions: that of the current worker, or the global one.
//!
//! The global pool is built at its first use, with the defaults, and lives as long as the
//! process.

use std::sync::OnceLock;

use exec_core::sync::Arc;

use crate::{
    builder::{BuildError, ThreadPoolBuilder},
    pool::ThreadPool,
    registry::Registry,
    worker::Worker,
};

static GLOBAL: OnceLock<ThreadPool> = OnceLock::new();

/// The global pool.
pub(crate) fn get() -> &'static ThreadPool {
    GLOBAL.get_or_init(|| match ThreadPoolBuilder::new().build() {
        Ok(pool) => pool,
        // A system that gives no more threads still may give one.
        Err(first) => match ThreadPool::new(1) {
            Ok(pool) => pool,
            Err(_) => panic!("the global pool could not be built: {first}"),
        },
    })
}

/// The registry of the current worker, or else of the global pool.
pub(crate) fn registry_here() -> Arc<Registry> {
    match Worker::current() {
        Some(worker) => worker.registry().clone(),
        None => get().registry().clone(),
    }
}

impl ThreadPoolBuilder {
    /// Builds the global pool, which the free functions use outside of any other pool.
    ///
    /// # Errors
    /// As [`build`](Self::build), and [`BuildError::GlobalPoolExists`] when it was built, or used,
    /// before.
    pub fn build_global(self) -> Result<(), BuildError> {
        if GLOBAL.get().is_some() {
            return Err(BuildError::GlobalPoolExists);
        }
        GLOBAL
            .set(self.build()?)
            .map_err(|_| BuildError::GlobalPoolExists)
    }
}

/// How many workers the pool of the current thread has, or else the global one.
pub fn current_num_threads() -> usize {
    match Worker::current() {
        Some(worker) => worker.num_threads(),
        None => get().current_num_threads(),
    }
}

/// The index of the current thread in its pool, if it is a worker.
pub fn current_thread_index() -> Option<usize> {
    Worker::current().map(Worker::index)
}
