//! How fast a worker gets through its jobs: whether those that wait are worth another worker.
//!
//! To wake a worker takes as long as some hundred short polls, and tasks that run on two workers
//! pass the lines of memory between them that they share. So a worker calls for help, and a thief
//! comes, when what waits would take longer than [`WORTH`] where it is. A job waits for that long
//! at most, or until the watch comes (`watch.rs`), which helps those that turn out to be slower.
//!
//! # Protocol
//! A worker takes the time at its regular looks and publishes how long a turn took since the last
//! one; a sleep in between makes that look the first again. The next look is after as many turns as
//! take [`WORTH`] at that pace, at most [`LOOK`] and at most twice as many as before: jobs that
//! compute for long do not keep timers and sockets waiting for sixty of them, and short ones do not
//! pay for looks. After a sleep, whoever comes next may be of another kind: it begins with [`SOON`]
//! at most. Where short turns become long ones without a sleep in between, the first of those looks
//! still comes after [`LOOK`] turns, once.
//!
//! A worker whose pace is not known, or that was given a closure, which may run for long, counts as
//! slow. The watch says so of a worker that it finds held up. All this is a guess, and orders nothing.
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

/// Turns between two looks around, at the most. A prime, so that it does not fall in step with the
/// tasks.
const LOOK: u32 = 61;

/// Turns until the first look after a sleep, at the most.
const SOON: u32 = 8;

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

/// The worker's own part: when it looks around, and how long that took.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    last: Cell<Option<Nanos>>,
    /// Turns between the last look and the next one.
    every: Cell<u32>,
    /// Those of them that are left.
    left: Cell<u32>,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self {
            last: Cell::new(None),
            every: Cell::new(LOOK),
            left: Cell::new(LOOK),
        }
    }

    /// Counts a turn; whether a look is due now.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let left = self.left.get() - 1;
        self.left
            .set(if left == 0 { self.every.get() } else { left });
        left == 0
    }

    /// The look that was due.
    pub(crate) fn look(&self, now: Nanos, pace: &Pace) {
        let Some(last) = self.last.replace(Some(now)) else {
            return;
        };
        let (took, turns) = (now.saturating_since(last), self.every.get());
        pace.publish(took, turns);
        let worth = WORTH.as_nanos() * u128::from(turns) / took.as_nanos().max(1);
        let most = LOOK.min(2 * turns);
        self.set(u32::try_from(worth).unwrap_or(LOOK).clamp(1, most));
    }

    /// The worker slept, or was on the look-out.
    pub(crate) fn interrupt(&self) {
        self.last.set(None);
        self.set(self.every.get().min(SOON));
    }

    fn set(&self, turns: u32) {
        self.every.set(turns);
        self.left.set(turns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_slow_until_it_has_shown_its_pace() {
        let (pace, stopwatch) = (Pace::new(), Stopwatch::new());
        assert!(pace.is_worth(1) && !pace.is_worth(0));
        stopwatch.look(Nanos(1_000), &pace);
        assert!(pace.is_worth(1), "one look is no time");
        stopwatch.look(Nanos(1_000 + 100 * u64::from(LOOK)), &pace);
        assert!(!pace.is_worth(1_999) && pace.is_worth(2_000), "100 ns each");
        stopwatch.interrupt();
        stopwatch.look(Nanos(1 << 40), &pace);
        assert!(!pace.is_worth(1_999), "a sleep is not counted");
        pace.slow();
        assert!(pace.is_worth(1));
    }

    /// Turns until a look is due.
    fn turns(stopwatch: &Stopwatch) -> u32 {
        (1..).find(|_| stopwatch.is_due()).expect("it comes")
    }

    #[test]
    fn slow_turns_bring_the_next_look_near() {
        let (pace, stopwatch) = (Pace::new(), Stopwatch::new());
        let worth = WORTH.as_nanos() as u64;
        assert_eq!([turns(&stopwatch), turns(&stopwatch)], [LOOK, LOOK]);
        let mut now = 0;
        let mut look = |took: u64| {
            now += took;
            stopwatch.look(Nanos(now), &pace);
            turns(&stopwatch)
        };
        look(0);
        assert_eq!(look(1_000), LOOK, "fast ones");
        assert_eq!(look(10 * worth), 6, "a sixth of the worth each");
        assert_eq!(look(100 * worth), 1, "a job is worth more than a look");
        assert_eq!(
            [look(10), look(10), look(10)],
            [2, 4, 8],
            "and back, not at once"
        );
        assert_eq!(look(0), 16, "no time at all");
        stopwatch.interrupt();
        assert_eq!(turns(&stopwatch), SOON);
    }

    #[test]
    fn a_backlog_is_what_takes_long() {
        let period = Duration::from_micros(400);
        assert!(is_backlog(1, 0, period), "held up");
        assert!(is_backlog(1, 2, period) && !is_backlog(1, 3, period));
    }
}
