//! What the cases hold jobs back and count with.

use crate::{
    ground::Ground,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
};

/// Closed until somebody opens it; whoever waits gives its CPU away.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(super) fn open(&self) {
        self.0.store(true, Release);
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.load(Acquire)
    }

    /// Waits by giving the CPU away: it has no waker, so that it works in any job.
    pub(super) fn wait(&self, ground: &dyn Ground) {
        while !self.is_open() {
            ground.yield_now();
        }
    }
}

/// Counts what happens.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, AcqRel);
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Acquire)
    }

    /// Waits until `n` were counted.
    pub(super) fn wait_for(&self, n: usize, ground: &dyn Ground) {
        while self.get() < n {
            ground.yield_now();
        }
    }
}

/// Counts its own drop.
#[derive(Debug)]
pub(super) struct CountsDrop(pub(super) Count);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}
