//! Priority with aging.
//!
//! # Promise
//! The priority is the nice value: less is better. A ready thread gains one step for every 20 ms that
//! it waits, so it waits at most 20 ms for each step that it is behind, and the quanta before it;
//! nobody starves. Threads of one priority take turns of 5 ms. A better thread that becomes ready
//! takes the CPU at the next tick. Of two that are always ready, at nice 0 and nice 10, the second
//! runs for one quantum in each 200 ms.
//!
//! # Why a constant orders what changes
//! A thread that became ready at `r` with priority `p` has at time `t` the aged priority
//! `p - (t - r) / AGE`. For all threads `t` is the same, so they are ordered by `p * AGE + r`, which
//! does not change while the thread waits.

use super::{NICE, Policy, QUANTUM_TICKS, Queue, Scheduled, ordered::Ordered, share};

/// Waiting this long is worth one step of priority.
const AGE_NS: u64 = 20_000_000;

/// See the module.
#[derive(Debug)]
pub struct Priority<T> {
    ready: Ordered<T>,
}

impl<T: Scheduled> Priority<T> {
    /// An empty queue with room for `capacity` threads.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            ready: Ordered::new(capacity),
        }
    }
}

impl<T: Scheduled> Policy<T> for Priority<T> {
    fn next_to_run(&mut self, cpu: u32) -> Option<T> {
        let next = self.ready.pop(cpu)?;
        next.share().begin_turn();
        Some(next)
    }

    fn push_to_queue(&mut self, thread: T) {
        let steps = (thread.share().nice() - NICE.start()) as u64;
        let key = thread.now_ns() + steps * AGE_NS;
        share::set(&thread.share().used, key);
        self.ready.push(key, thread);
    }

    fn timer_tick(&mut self, running: &T) -> bool {
        let Some(least) = self.ready.least() else {
            return false;
        };
        let steps = (running.share().nice() - NICE.start()) as u64;
        // At the end of its quantum it stands behind its equals; before, where it stood.
        let key = if running.share().tick_ends(QUANTUM_TICKS) {
            running.now_ns() + steps * AGE_NS
        } else {
            share::get(&running.share().used)
        };
        least < key
    }
}

impl<T: Scheduled> Queue for Priority<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.ready.least().is_none()
    }
}
