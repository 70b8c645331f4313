//! Multi-level feedback: the policy learns who computes and who waits.
//!
//! # Promise
//! Four levels; a thread of a higher one goes first, and takes the CPU at the next tick. A thread
//! starts at the top. One that has used up its time on a level, 5, 10 or 20 ms in all, waits in
//! between counted or not, goes down one; it takes turns with its equals, 5, 10, 20 or 40 ms each.
//! Every 200 ms all threads go back to the top, so nobody starves. Nice values mean nothing.
//!
//! # Protocol
//! The way to the top is a number: the round. A thread that comes with an older one starts anew.

use super::{Policy, QUANTUM_TICKS, Queue, Scheduled, TICK_NS, share};
use crate::{
    list::{List, RunLink},
    sync::Ordering,
};

const LEVELS: usize = 4;
const ROUND_NS: u64 = 200_000_000;

/// See the module.
#[derive(Debug)]
pub struct Feedback<T> {
    levels: [List<T, RunLink>; LEVELS],
    /// Counted from 1.
    round: u64,
}

const fn turn_ticks(level: u32) -> u32 {
    QUANTUM_TICKS << level
}

impl<T: Scheduled> Feedback<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            levels: [const { List::new() }; LEVELS],
            round: 0,
        }
    }

    /// Brings a thread's level up to date.
    fn level(&self, thread: &T) -> u32 {
        let share = thread.share();
        let new_ns = share.charge(thread.ran_ns());
        // ORDERING: Relaxed: under the queue's lock.
        let mut level = share.level.load(Ordering::Relaxed);
        let mut used_ns = share::get(&share.used) + new_ns;
        if share::get(&share.round) < self.round {
            share::set(&share.round, self.round);
            (level, used_ns) = (0, 0);
        }
        while (level as usize) < LEVELS - 1 && used_ns >= u64::from(turn_ticks(level)) * TICK_NS {
            used_ns -= u64::from(turn_ticks(level)) * TICK_NS;
            level += 1;
        }
        share::set(&share.used, used_ns);
        // ORDERING: Relaxed: as above.
        share.level.store(level, Ordering::Relaxed);
        level
    }

    /// Brings all to the top when a round is over.
    fn begin_round(&mut self, now_ns: u64) {
        let round = now_ns / ROUND_NS + 1;
        if round <= self.round {
            return;
        }
        self.round = round;
        for level in 1..LEVELS {
            while let Some(thread) = self.levels[level].pop_front() {
                self.level(&thread);
                self.levels[0].push_back(thread);
            }
        }
    }
}

impl<T: Scheduled> Default for Feedback<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scheduled> Policy<T> for Feedback<T> {
    fn next_to_run(&mut self, cpu: u32) -> Option<T> {
        let next = self
            .levels
            .iter_mut()
            .find_map(|level| level.take_first(|thread| thread.share().may_run_on(cpu)))?;
        next.share().begin_turn();
        Some(next)
    }

    fn push_to_queue(&mut self, thread: T) {
        self.begin_round(thread.now_ns());
        let level = self.level(&thread);
        self.levels[level as usize].push_back(thread);
    }

    fn timer_tick(&mut self, running: &T) -> bool {
        self.begin_round(running.now_ns());
        let before = running.share().level.load(Ordering::Relaxed);
        let level = self.level(running);
        let over = running.share().tick_ends(turn_ticks(before)) || level > before;
        let equals = if over {
            level as usize + 1
        } else {
            level as usize
        };
        self.levels[..equals].iter().any(|level| !level.is_empty())
    }
}

impl<T: Scheduled> Queue for Feedback<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.levels.iter().all(List::is_empty)
    }
}
