//! Something that happens once and that any number of threads wait for.

use core::task::Waker;

use exec_core::{
    Ground, Nanos,
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
    unwind,
};

use crate::queue::stack::Stack;

/// Set once.
///
/// # Why nothing is lost
/// Setting closes the list of waiters and wakes those on it; whoever comes later finds the list
/// closed, after the flag was set, and does not sleep.
pub struct Latch {
    set: AtomicBool,
    waiters: Stack<Waker>,
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

impl Latch {
    /// A latch that is not set.
    pub fn new() -> Self {
        Self {
            set: AtomicBool::new(false),
            waiters: Stack::new(),
        }
    }

    /// Sets it and wakes everybody who waits.
    pub fn set(&self) {
        // ORDERING: Release publishes what came before to `is_set`.
        self.set.store(true, Release);
        for waker in self.waiters.close() {
            // A waker is foreign code.
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
    }

    /// Whether it is set; what came before is visible then.
    pub fn is_set(&self) -> bool {
        // ORDERING: pairs with `set`.
        self.set.load(Acquire)
    }

    /// Parks until it is set or `until` has come; `true` when it is set.
    ///
    /// # Blocking
    /// Until then.
    pub fn wait(&self, ground: &(impl Ground + ?Sized), until: Option<Nanos>) -> bool {
        if self.is_set() || self.waiters.push(ground.unparker()).is_err() {
            return true;
        }
        while !self.is_set() {
            if until.is_some_and(|at| ground.now() >= at) {
                return false;
            }
            ground.park(until);
        }
        true
    }
}
