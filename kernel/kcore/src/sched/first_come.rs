//! First come, first served.
//!
//! # Promise
//! A thread runs until it waits, yields or ends; no tick takes the CPU from it in favour of another of
//! this policy. The order is that of becoming ready.

use super::{Policy, Queue, Scheduled};
use crate::list::{List, RunLink};

/// See the module.
#[derive(Debug)]
pub struct FirstCome<T> {
    ready: List<T, RunLink>,
}

impl<T: Scheduled> FirstCome<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { ready: List::new() }
    }
}

impl<T: Scheduled> Default for FirstCome<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scheduled> Policy<T> for FirstCome<T> {
    fn next_to_run(&mut self, cpu: u32) -> Option<T> {
        self.ready
            .take_first(|thread| thread.share().may_run_on(cpu))
    }

    fn push_to_queue(&mut self, thread: T) {
        self.ready.push_back(thread);
    }

    fn timer_tick(&mut self, _: &T) -> bool {
        false
    }
}

impl<T: Scheduled> Queue for FirstCome<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}
