//! What each worker has done.

use exec_core::{
    Stats,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A number that one thread counts and any thread may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Owner: counts one. A load and a store: nobody else writes.
    #[inline]
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    /// Owner: counts `n`.
    #[inline]
    pub(crate) fn add_many(&self, n: u64) {
        // ORDERING: a figure for people; nothing depends on it.
        self.0.store(self.0.load(Relaxed) + n, Relaxed);
    }

    /// The number now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One worker's counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Jobs that it pushed to its own deque.
    pub(crate) pushed: Counter,
    /// Queued jobs that it ran.
    pub(crate) ran: Counter,
    /// Jobs and halves of joins that it took from others.
    pub(crate) steals: Counter,
    /// Rounds over all queues that found nothing.
    pub(crate) failed_steals: Counter,
    /// Times that it parked.
    pub(crate) parks: Counter,
    /// Times that it found work after it had searched.
    pub(crate) wakes: Counter,
    /// Rounds that it polled instead of sleeping.
    pub(crate) polls: Counter,
    /// Halves of joins that it exposed to thieves.
    pub(crate) exposed: Counter,
}

impl Counters {
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.scheduled += self.pushed.get();
        stats.ran += self.ran.get();
        stats.steals += self.steals.get();
        stats.parks += self.parks.get();
        stats.wakes += self.wakes.get();
    }
}
