//! What each worker has done.

use std::time::Duration;

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

    /// Owner: sets it.
    fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
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
    /// The longest job seen, in nanoseconds.
    pub(crate) longest_ns: Counter,
}

/// What one worker has done; read while it works, so exact only when it is quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Queued jobs that it ran.
    pub jobs: u64,
    /// Jobs and halves of joins that it took from others.
    pub steals: u64,
    /// Rounds over all queues that found nothing.
    pub failed_steals: u64,
    /// Times that it parked.
    pub parks: u64,
    /// Times that it found work after it had searched.
    pub wakes: u64,
    /// Rounds that it polled instead of sleeping.
    pub polls: u64,
    /// Halves of joins that it exposed to thieves.
    pub exposed: u64,
    /// The longest queued job or stolen half that it ran while the flight recorder was on: the
    /// clock is not read otherwise.
    pub longest_job: Duration,
}

impl Counters {
    /// Owner: notes how long a job took.
    pub(crate) fn took(&self, length: Duration) {
        let ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        if ns > self.longest_ns.get() {
            self.longest_ns.set(ns);
        }
    }

    pub(crate) fn snapshot(&self) -> WorkerStats {
        WorkerStats {
            jobs: self.ran.get(),
            steals: self.steals.get(),
            failed_steals: self.failed_steals.get(),
            parks: self.parks.get(),
            wakes: self.wakes.get(),
            polls: self.polls.get(),
            exposed: self.exposed.get(),
            longest_job: Duration::from_nanos(self.longest_ns.get()),
        }
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.scheduled += self.pushed.get();
        stats.ran += self.ran.get();
        stats.steals += self.steals.get();
        stats.parks += self.parks.get();
        stats.wakes += self.wakes.get();
    }
}
