//! Round robin: first come, first served, for one quantum at a time.
//!
//! # Promise
//! Of `n` threads that are always ready on one CPU, each runs for a quantum of 5 ms, then waits for
//! `n - 1` of them. Nice values mean nothing.

use super::{Policy, QUANTUM_TICKS, Queue, Scheduled};
use crate::list::{List, RunLink};

/// See the module.
#[derive(Debug)]
pub struct RoundRobin<T> {
    ready: List<T, RunLink>,
}

impl<T: Scheduled> RoundRobin<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { ready: List::new() }
    }
}

impl<T: Scheduled> Default for RoundRobin<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scheduled> Policy<T> for RoundRobin<T> {
    #[inline]
    fn next_to_run(&mut self, cpu: u32) -> Option<T> {
        let next = self
            .ready
            .take_first(|thread| thread.share().may_run_on(cpu))?;
        next.share().begin_turn();
        Some(next)
    }

    #[inline]
    fn push_to_queue(&mut self, thread: T) {
        self.ready.push_back(thread);
    }

    fn timer_tick(&mut self, running: &T) -> bool {
        running.share().tick_ends(QUANTUM_TICKS) && !self.ready.is_empty()
    }
}

impl<T: Scheduled> Queue for RoundRobin<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}
