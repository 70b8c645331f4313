//! Round robin: first come, first served, for one quantum at a time.
//!
//! # Promise
//! Of `n` threads that are always ready on one CPU, each runs for a quantum of 5 ms, then waits for
//! `n - 1` of them. Nice values mean nothing.
//!
//! # Why the turns are equal
//! A turn ends with a tick, which may come late. What a thread ran too long or too short is taken off,
//! or added to, its next turn; so the sum of its turns is right, whatever ticks a busy host loses.

use super::{Policy, QUANTUM_TICKS, Queue, Scheduled, TICK_NS, share};
use crate::list::{List, RunLink};

const QUANTUM_NS: i64 = QUANTUM_TICKS as i64 * TICK_NS as i64;
/// No more than this is taken off later turns.
const MOST_OWED_NS: i64 = 10 * QUANTUM_NS;

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
        self.ready
            .take_first(|thread| thread.share().may_run_on(cpu))
    }

    #[inline]
    fn push_to_queue(&mut self, thread: T) {
        self.ready.push_back(thread);
    }

    fn timer_tick(&mut self, running: &T) -> bool {
        let share = running.share();
        let new_ns = share.charge(running.ran_ns());
        let used_ns = (share::get(&share.used) as i64).saturating_add_unsigned(new_ns);
        // The tick nearest to the end.
        let over = used_ns + TICK_NS as i64 / 2 >= QUANTUM_NS;
        let left_ns = match over {
            false => used_ns,
            // Nobody to be fair to.
            true if self.ready.is_empty() => 0,
            true => (used_ns - QUANTUM_NS).min(MOST_OWED_NS),
        };
        share::set(&share.used, left_ns as u64);
        over && !self.ready.is_empty()
    }
}

impl<T: Scheduled> Queue for RoundRobin<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}
