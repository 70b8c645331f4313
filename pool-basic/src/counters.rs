//! What each worker has done, counted where nobody else writes.
//!
//! A counter has one writer, its worker, so counting is a load and a store in a cache line of
//! its own. Nobody counts on the side of those who spawn: what was scheduled is what was taken
//! from the queue or cancelled, which is exact whenever the queue is empty.

use crossbeam_utils::CachePadded;
use exec_core::{
    Stats,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Jobs taken from the queue.
    taken: AtomicU64,
    /// Jobs that have ended.
    ran: AtomicU64,
    panicked: AtomicU64,
    parks: AtomicU64,
    wakes: AtomicU64,
}

/// The worker's own increment.
fn add(counter: &AtomicU64) {
    // ORDERING: one writer, so nothing comes between; a figure, so nothing depends on it.
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl Counters {
    #[inline]
    pub(crate) fn take(&self) {
        add(&self.taken);
    }
    #[inline]
    pub(crate) fn run(&self) {
        add(&self.ran);
    }
    pub(crate) fn panic(&self) {
        add(&self.panicked);
    }
    pub(crate) fn park(&self) {
        add(&self.parks);
    }
    pub(crate) fn wake(&self) {
        add(&self.wakes);
    }
}

/// The sums over all workers, and what is not a worker's.
#[derive(Debug)]
pub(crate) struct Totals {
    workers: Box<[CachePadded<Counters>]>,
    /// Jobs that were dropped unrun; only ever counted during a shutdown.
    cancelled: AtomicU64,
}

impl Totals {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| CachePadded::default()).collect(),
            cancelled: AtomicU64::new(0),
        }
    }

    pub(crate) fn worker(&self, index: usize) -> &Counters {
        &self.workers[index]
    }

    pub(crate) fn cancel(&self, jobs: u64) {
        // ORDERING: a figure.
        self.cancelled.fetch_add(jobs, Relaxed);
    }

    pub(crate) fn cancelled(&self) -> u64 {
        self.cancelled.load(Relaxed)
    }

    fn sum(&self, of: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.workers.iter().map(|c| of(c).load(Relaxed)).sum()
    }

    pub(crate) fn ran(&self) -> u64 {
        self.sum(|c| &c.ran)
    }

    /// Jobs that have begun and not ended.
    pub(crate) fn running(&self) -> u64 {
        // A job that ends between the two reads must not make it negative.
        let ran = self.ran();
        self.sum(|c| &c.taken).saturating_sub(ran)
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.ran = self.ran();
        stats.cancelled = self.cancelled();
        stats.scheduled = self.sum(|c| &c.taken) + stats.cancelled;
        stats.panicked = self.sum(|c| &c.panicked);
        stats.parks = self.sum(|c| &c.parks);
        stats.wakes = self.sum(|c| &c.wakes);
        stats.threads = self.workers.len() as u64;
        stats
    }
}
