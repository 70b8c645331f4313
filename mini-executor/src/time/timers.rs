//! The timers of one worker: which waker is due when.
//!
//! # Protocol
//! A worker puts the timers of its tasks into its own [`Timers`], fires what is due at its
//! regular looks, and sleeps until the next one at most. A thread from outside puts its timer
//! with some worker and wakes that one if it sleeps. A busy worker also fires what is overdue
//! with others, which may be stuck in a long poll.
//!
//! # Why nothing is lost
//! The next deadline is published after each change (see [`Lane`]); a worker that goes to sleep
//! reads it after its fence.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::{cmp::Reverse, task::Waker};

use exec_core::{Nanos, unwind};

use crate::queue::lane::{Container, Lane, Put};

/// Wakers that one turn calls at most, so that a million timers do not hold up the tasks.
const TURN: usize = 128;

struct Timer {
    at: Nanos,
    /// Timers of one moment fire in the order of their making.
    order: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[derive(Default)]
struct Queue {
    heap: BinaryHeap<Reverse<Timer>>,
    made: u64,
}

impl Container for Queue {
    type Item = (Nanos, Waker);
    /// Late timers: due now, for all one can tell.
    const LOOK: u64 = 0;
    fn put(&mut self, (at, waker): (Nanos, Waker)) {
        self.made += 1;
        self.heap.push(Reverse(Timer {
            at,
            order: self.made,
            waker,
        }));
    }
    fn take_all(&mut self) -> Vec<(Nanos, Waker)> {
        self.heap
            .drain()
            .map(|Reverse(timer)| (timer.at, timer.waker))
            .collect()
    }
    fn level(&self) -> u64 {
        self.heap
            .peek()
            .map_or(u64::MAX, |Reverse(timer)| timer.at.0)
    }
}

/// See the module head.
pub(crate) struct Timers(Lane<Queue>);

impl Timers {
    pub(crate) fn new() -> Self {
        Self(Lane::new(Queue::default()))
    }

    /// Arranges for `waker` to be called at `at`; `false` when the runtime has ended.
    ///
    /// The caller wakes the worker of these timers unless it is that worker.
    pub(crate) fn add(&self, at: Nanos, waker: Waker) -> bool {
        let taken = !matches!(self.0.put((at, waker)), Put::Closed(_));
        drop(self.0.settle());
        taken
    }

    /// When the next one is due; [`Nanos::MAX`] when there is none.
    #[inline]
    pub(crate) fn next(&self) -> Nanos {
        Nanos(self.0.level())
    }

    /// Calls what is due, a bounded number; `true` when it called any.
    pub(crate) fn fire(&self, now: Nanos) -> bool {
        if self.next() > now {
            return false;
        }
        let due = self.0.try_with(|queue, _| {
            let mut due = Vec::new();
            while due.len() < TURN
                && queue
                    .heap
                    .peek()
                    .is_some_and(|Reverse(timer)| timer.at <= now)
            {
                due.extend(queue.heap.pop().map(|Reverse(timer)| timer.waker));
            }
            due
        });
        let due = due.unwrap_or_default();
        let any = !due.is_empty();
        for waker in due {
            // A waker is foreign code, and is called while nothing is held.
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
        any
    }

    /// Drops every timer and takes no more.
    pub(crate) fn close(&self) {
        for (_, waker) in self.0.close() {
            let _ = unwind::drop_caught(waker).map_err(unwind::discard);
        }
    }
}
