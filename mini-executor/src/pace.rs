//! How fast a worker gets through its jobs: whether those that wait are worth another worker.
//!
//! To wake a worker takes as long as some hundred short polls, and tasks that run on two workers
//! pass the lines of memory between them that they share. So a worker calls for help, and a thief
//! comes, when what waits would take longer than [`WORTH`] where it is. A job waits for that long
//! at most, or until the watch comes (`watch.rs`), which helps those that turn out to be slower.
//!
//! # Protocol
//! A worker takes the time at its regular looks and publishes how long a turn took since the last
//! one; a sleep in between makes that look the first again. A worker whose pace is not known, or
//! that was given a closure, which may run for long, counts as slow. The watch says so of a worker
//! that it finds held up. All this is a guess, and orders nothing.
//!
//! # Why nothing is lost by a wrong guess
//! The pace is asked in three places, and each "not worth it" leaves a job where somebody else sees
//! it. A worker that queues jobs and calls nobody, and a thief or a sleeper that passes them by, leave
//! them in the ring of a worker that is awake: it runs them next, whatever anybody thinks of its pace.
//! If it does not come to them, the watch is on, or is called by the put (see `watch.rs`, and
//! `mini_watch` for its model); the watch counts finished jobs and does not ask the pace, but sets it
//! to slow. Jobs of the injector are never judged by a pace. A wrong "worth it" costs a wake.

use core::{cell::Cell, time::Duration};

use exec_core::{
    Nanos,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// How long what waits must take to be worth another worker: some times what its waking takes.
const WORTH: Duration = Duration::from_micros(200);

/// Not known, or slow.
const SLOW: u32 = u32::MAX;

/// What a worker publishes of its pace.
#[derive(Debug)]
pub(crate) struct Pace(AtomicU32);

impl Pace {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(SLOW))
    }

    /// Whether so many jobs are worth another worker.
    #[inline]
    pub(crate) fn is_worth(&self, jobs: u32) -> bool {
        // ORDERING: a guess; see the module head.
        let nanos = u64::from(self.0.load(Relaxed)) * u64::from(jobs);
        nanos >= WORTH.as_nanos() as u64
    }

    /// From now on it counts as slow.
    #[inline]
    pub(crate) fn slow(&self) {
        if self.0.load(Relaxed) != SLOW {
            self.0.store(SLOW, Relaxed);
        }
    }

    fn publish(&self, took: Duration, turns: u32) {
        let nanos = took.as_nanos() / u128::from(turns.max(1));
        self.0
            .store(u32::try_from(nanos).unwrap_or(SLOW).max(1), Relaxed);
    }
}

/// Whether `jobs` are worth another worker, where `done` were done in `time`.
pub(crate) fn is_backlog(jobs: u32, done: u64, time: Duration) -> bool {
    let nanos = time.as_nanos() * u128::from(jobs) / u128::from(done.max(1));
    nanos >= WORTH.as_nanos()
}

/// The worker's own part.
#[derive(Debug)]
pub(crate) struct Stopwatch(Cell<Option<Nanos>>);

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self(Cell::new(None))
    }

    /// A regular look, `turns` after the last one.
    pub(crate) fn look(&self, now: Nanos, turns: u32, pace: &Pace) {
        if let Some(last) = self.0.replace(Some(now)) {
            pace.publish(now.saturating_since(last), turns);
        }
    }

    /// The worker slept, or was on the look-out.
    pub(crate) fn interrupt(&self) {
        self.0.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_slow_until_it_has_shown_its_pace() {
        let (pace, stopwatch) = (Pace::new(), Stopwatch::new());
        assert!(pace.is_worth(1) && !pace.is_worth(0));
        stopwatch.look(Nanos(1_000), 10, &pace);
        assert!(pace.is_worth(1), "one look is no time");
        stopwatch.look(Nanos(2_000), 10, &pace);
        assert!(!pace.is_worth(1_999) && pace.is_worth(2_000), "100 ns each");
        stopwatch.interrupt();
        stopwatch.look(Nanos(1 << 40), 10, &pace);
        assert!(!pace.is_worth(1_999), "a sleep is not counted");
        pace.slow();
        assert!(pace.is_worth(1));
    }

    #[test]
    fn a_backlog_is_what_takes_long() {
        let period = Duration::from_micros(400);
        assert!(is_backlog(1, 0, period), "held up");
        assert!(is_backlog(1, 2, period) && !is_backlog(1, 3, period));
    }
}
