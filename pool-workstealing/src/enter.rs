//! A thread that becomes a worker and goes on with what it does.
//!
//! It runs work of the pool only where it waits for the pool, or yields. It never leaves its
//! seat, because nothing says when its thread ends: so the pool's end does not wait for it, and
//! the registry, which who sits in a seat holds, stays in memory.

use crate::{threads::ThreadBuilder, worker::Worker};

impl ThreadBuilder {
    /// The current thread is this worker from now on, for the rest of its life, and goes on.
    ///
    /// Start and exit handlers are not called on it.
    ///
    /// # Panics
    /// When the thread is a worker already.
    pub fn enter(mut self) {
        assert!(
            Worker::current().is_none(),
            "enter: the thread is a worker already"
        );
        if let Some(registry) = self.registry.take() {
            Worker::sit(&registry, self.index);
            registry.sleep.arrive(self.index);
            registry.sleep.stop_search(|| registry.has_shared_work());
            registry.thread_left();
        }
    }
}
