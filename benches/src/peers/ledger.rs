//! How many jobs a foreign pool holds, so that a shutdown can wait for them.
//!
//! A foreign pool neither refuses jobs after its end nor says when it is empty in a way that
//! our trait needs, so the adapters count: one atomic addition when a job is admitted, one
//! when it has ended.
//!
//! # States
//! `admitted` holds the number of jobs that were ever let in, and [`CLOSED`]. `ended` holds
//! how many of them were run or dropped. The pool is empty when the two agree.
//!
//! # Why nothing is lost
//! The closer sets `CLOSED`, then reads `ended`; the worker adds to `ended`, then reads
//! `CLOSED`. All four are sequentially consistent, so at least one of them sees the other:
//! either the closer finds everything ended, or the last worker notifies it under the lock
//! that the closer holds between its look and its sleep.

use std::time::{Duration, Instant};

use exec_core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use exec_core::sync::{Condvar, Mutex};
use exec_core::{Job, Shutdown, ShutdownReport, Stats};

/// Set in `admitted` once no job is let in any more.
const CLOSED: u64 = 1 << 63;

/// The count of a foreign pool's jobs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    admitted: AtomicU64,
    ended: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    /// Set by a shutdown that doesn't wait: jobs that have not started are dropped.
    cancelling: AtomicBool,
    lock: Mutex<()>,
    empty: Condvar,
}

impl Ledger {
    /// Lets a job in; false after a shutdown has begun.
    pub(super) fn admit(&self) -> bool {
        let before = self.admitted.fetch_add(1, Ordering::SeqCst);
        if before & CLOSED != 0 {
            // The closer may have seen this job: it is taken back as one that ended.
            self.admitted.fetch_sub(1, Ordering::SeqCst);
            self.notify();
            return false;
        }
        true
    }

    /// Runs an admitted job, or drops it where a shutdown says so.
    pub(super) fn run(&self, job: Job) {
        // ORDERING: Relaxed; a job that starts just before the flag is seen runs, as any
        // job that started earlier does.
        if self.cancelling.load(Ordering::Relaxed) {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
            drop(job);
        } else if let Err(payload) = job.run() {
            self.panicked.fetch_add(1, Ordering::Relaxed);
            exec_core::unwind::discard(payload);
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        if self.admitted.load(Ordering::SeqCst) & CLOSED != 0 {
            self.notify();
        }
    }

    /// Admits nothing from now on, and waits as `how` says.
    pub(super) fn close(&self, how: Shutdown) -> ShutdownReport {
        self.admitted.fetch_or(CLOSED, Ordering::SeqCst);
        let limit = match how {
            Shutdown::Drain => None,
            Shutdown::Deadline(limit) => Some(limit),
            Shutdown::Now => Some(Duration::ZERO),
        };
        let start = Instant::now();
        let mut guard = self.lock.lock();
        while self.pending() > 0 {
            guard = match limit.map(|limit| limit.saturating_sub(start.elapsed())) {
                None => self.empty.wait(guard),
                Some(Duration::ZERO) => break,
                Some(left) => self.empty.wait_timeout(guard, left).0,
            };
        }
        drop(guard);
        let leaked = self.pending();
        if leaked > 0 {
            self.cancelling.store(true, Ordering::Relaxed);
        }
        let cancelled = self.cancelled.load(Ordering::Relaxed);
        let finished = self.ended.load(Ordering::SeqCst).saturating_sub(cancelled);
        ShutdownReport::new(finished, cancelled, leaked)
    }

    /// The counts in the family's words.
    pub(super) fn stats(&self, threads: usize) -> Stats {
        let mut stats = Stats::default();
        stats.scheduled = self.admitted.load(Ordering::Relaxed) & !CLOSED;
        stats.cancelled = self.cancelled.load(Ordering::Relaxed);
        stats.ran = self
            .ended
            .load(Ordering::Relaxed)
            .saturating_sub(stats.cancelled);
        stats.panicked = self.panicked.load(Ordering::Relaxed);
        stats.threads = threads as u64;
        stats
    }

    fn pending(&self) -> u64 {
        // `ended` first: read after it, `admitted` is never behind.
        let ended = self.ended.load(Ordering::SeqCst);
        (self.admitted.load(Ordering::SeqCst) & !CLOSED).saturating_sub(ended)
    }

    fn notify(&self) {
        drop(self.lock.lock());
        self.empty.notify_all();
    }
}
