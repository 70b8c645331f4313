//! Which thread this is, and how many there are.

use pool_workstealing::{MAX_THREADS, Worker};

use crate::registry;

/// The most workers a pool can have; a builder that is asked for more makes this many.
pub fn max_num_threads() -> usize {
    MAX_THREADS
}

/// How many workers the pool of the current thread has, or else the global one.
#[inline]
pub fn current_num_threads() -> usize {
    match Worker::with_current(|worker| worker.map(Worker::num_threads)) {
        Some(threads) => threads,
        None => registry::global().pool().current_num_threads(),
    }
}

/// The index of the current thread in its pool, if it is a worker.
#[inline]
pub fn current_thread_index() -> Option<usize> {
    Worker::with_current(|worker| worker.map(Worker::index))
}
