//! Fair: who has run least, by its weight, runs next.
//!
//! # Promise
//! The weight halves with every three steps of nice, nearly: 1024 at nice 0, 110 at nice 10. Threads
//! that are always ready on one CPU share it by their weights: nice 0 against nice 10 gets 1024 of
//! 1134 parts, 90.3 %, to within a quantum. Equal threads take turns of 5 ms. A thread that has waited
//! gets no more than its share from then on: what it did not use is gone.
//!
//! # Protocol
//! A thread's virtual time grows by its running time times 1024 over its weight. The queue's virtual
//! time is the least of its ready and running threads', and never goes back. A thread keeps its
//! distance to the queue's, so that it means the same in another CPU's queue or after a wait.

use super::{NICE, Policy, QUANTUM_TICKS, Queue, Scheduled, ordered::Ordered, share};

/// The weight of nice 0.
const NORMAL: u64 = 1024;

/// The weight of each nice value: each a quarter more than the next, rounded.
const WEIGHTS: [u64; 40] = {
    let mut weights = [0; 40];
    let mut index = 0;
    while index < 40 {
        // 1024 * 1.25^(20 - index), in fixed point with 20 bits.
        let mut scaled = NORMAL << 20;
        let mut step = 20;
        while step > index {
            scaled = scaled / 4 * 5;
            step -= 1;
        }
        while step < index {
            scaled = scaled / 5 * 4;
            step += 1;
        }
        weights[index] = (scaled + (1 << 19)) >> 20;
        index += 1;
    }
    weights
};

/// The weight of a nice value.
fn weight(nice: i32) -> u64 {
    WEIGHTS[(nice - NICE.start()) as usize]
}

/// See the module.
#[derive(Debug)]
pub struct Fair<T> {
    ready: Ordered<T>,
    virtual_ns: u64,
}

impl<T: Scheduled> Fair<T> {
    /// An empty queue with room for `capacity` threads.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            ready: Ordered::new(capacity),
            virtual_ns: 0,
        }
    }

    /// Brings a thread's virtual time up to date, as this queue counts.
    fn charge(&self, thread: &T) -> u64 {
        let share = thread.share();
        let ran_ns = share.charge(thread.ran_ns());
        let distance = share::get(&share.used) - share::get(&share.base);
        let own = self.virtual_ns + distance + ran_ns * NORMAL / weight(share.nice());
        share::set(&share.used, own);
        share::set(&share.base, self.virtual_ns);
        own
    }

    /// Moves the queue's time up to the least of all, `running` included.
    fn advance(&mut self, running: u64) {
        let least = self
            .ready
            .least()
            .map_or(running, |first| first.min(running));
        self.virtual_ns = self.virtual_ns.max(least);
    }
}

impl<T: Scheduled> Policy<T> for Fair<T> {
    fn next_to_run(&mut self, cpu: u32) -> Option<T> {
        let next = self.ready.pop(cpu)?;
        let share = next.share();
        share.begin_turn();
        // The distance to this queue, whoever takes it.
        let own = share::get(&share.used);
        let base = self.virtual_ns.min(own);
        share::set(&share.base, base);
        Some(next)
    }

    fn push_to_queue(&mut self, thread: T) {
        let key = self.charge(&thread);
        self.ready.push(key, thread);
    }

    fn timer_tick(&mut self, running: &T) -> bool {
        let own = self.charge(running);
        self.advance(own);
        share::set(&running.share().base, self.virtual_ns);
        let over = running.share().tick_ends(QUANTUM_TICKS);
        over && self.ready.least().is_some_and(|first| first < own)
    }
}

impl<T: Scheduled> Queue for Fair<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.ready.least().is_none()
    }
}
