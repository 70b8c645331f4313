//! Counting what is done, without sharing cache lines.
//!
//! Each worker has a set of its own that only it writes, with plain loads and stores; threads
//! from outside share one set and pay for a read-modify-write.

use exec_core::{
    Stats,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// One number.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one; only for the thread that owns the set.
    #[inline]
    pub(crate) fn bump(&self) {
        self.bump_by(1);
    }

    /// Adds `n`; only for the thread that owns the set.
    #[inline]
    pub(crate) fn bump_by(&self, n: u64) {
        // ORDERING: one writer, and readers want a number, not an order.
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Adds `n`, from any thread.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // ORDERING: as above.
        self.0.fetch_add(n, Relaxed);
    }

    /// Takes `n` off, from any thread.
    pub(crate) fn take(&self, n: u64) {
        // ORDERING: as above.
        self.0.fetch_sub(n, Relaxed);
    }

    /// Sets it to `n`; only for the thread that owns the set.
    #[inline]
    pub(crate) fn put(&self, n: u64) {
        // ORDERING: as above.
        self.0.store(n, Relaxed);
    }

    /// Sets it to `n` and returns what it was; only for the thread that owns the set.
    pub(crate) fn replace(&self, n: u64) -> u64 {
        let before = self.get();
        self.put(n);
        before
    }

    /// Reads it.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One set.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Jobs accepted, each wake included.
    pub(crate) scheduled: Counter,
    /// Of these, the wakes.
    pub(crate) wakes_of_tasks: Counter,
    /// Jobs run.
    pub(crate) ran: Counter,
    /// Jobs dropped unrun.
    pub(crate) cancelled: Counter,
    /// Wakes that came too late: their tasks were cancelled.
    pub(crate) refused: Counter,
    /// Panics that no joiner saw.
    pub(crate) panicked: Counter,
    /// Jobs taken from other workers.
    pub(crate) steals: Counter,
    /// Times gone to sleep.
    pub(crate) parks: Counter,
    /// Times woken by a poster.
    pub(crate) wakes: Counter,
    /// Jobs on this worker's stack now: more than one when a job waits and helps.
    pub(crate) running: Counter,
    /// `block_in_place` calls on this worker's stack now.
    pub(crate) in_place: Counter,
    /// Polls that were out of their budget.
    pub(crate) budget_yields: Counter,
    /// The longest poll, in nanoseconds, of those that were timed.
    pub(crate) longest_ns: Counter,
    /// The number of the observed task that runs on this worker, or 0.
    pub(crate) task: Counter,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            scheduled: Counter::new(),
            wakes_of_tasks: Counter::new(),
            ran: Counter::new(),
            cancelled: Counter::new(),
            refused: Counter::new(),
            panicked: Counter::new(),
            steals: Counter::new(),
            parks: Counter::new(),
            wakes: Counter::new(),
            running: Counter::new(),
            in_place: Counter::new(),
            budget_yields: Counter::new(),
            longest_ns: Counter::new(),
            task: Counter::new(),
        }
    }

    /// A poll took so long; only for the thread that owns the set.
    pub(crate) fn note_poll(&self, ns: u64) {
        if ns > self.longest_ns.get() {
            self.longest_ns.put(ns);
        }
    }

    /// Adds this set to the family's statistics.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.scheduled += self.scheduled.get();
        stats.ran += self.ran.get();
        stats.cancelled += self.cancelled.get();
        stats.panicked += self.panicked.get();
        stats.steals += self.steals.get();
        stats.parks += self.parks.get();
        stats.wakes += self.wakes.get();
    }
}
