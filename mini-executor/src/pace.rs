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
//! # Whether help helps
//! Short polls that write the same lines, as of tasks behind one lock, take longer on two workers than
//! twice as long on one; and since they then take long, their queue looks worth the help that makes it
//! so. So a worker remembers its pace while no other ran jobs, and where sharing does not even keep up
//! with that, it says for the next [`HOLD`] looks that its jobs are not worth a thief. If it does not
//! know that pace, it keeps thieves off for [`WORTH`] at most to learn it, at every [`RETRY`]th look
//! where the others have work of their own. All this is about turns of less than [`SHORT`].
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

/// Turns that take longer than this are worth help whatever they share.
const SHORT: Duration = Duration::from_micros(1);

/// Looks for which a worker whose jobs do not gain by help keeps them: some ten milliseconds.
const HOLD: u32 = 2_000;

/// Looks between two tries to learn the pace alone.
const RETRY: u32 = 1_000;

/// What a worker says of jobs that it keeps: no number of them that fits in a queue is worth a thief.
const KEPT: u32 = 1;

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

    fn publish(&self, nanos: u32) {
        self.0.store(nanos.max(1), Relaxed);
    }
}

/// What a worker knows of itself with and without the others.
#[derive(Debug, Default)]
struct Company {
    /// Nanoseconds a turn took while no other worker ran jobs; 0: not known.
    alone: Cell<u32>,
    /// Whether none did at the last look.
    was_alone: Cell<bool>,
    /// Looks for which it still keeps its jobs, since help does not help.
    hold: Cell<u32>,
    /// Looks until it may try to be alone.
    wait: Cell<u32>,
    /// For how long it still keeps its jobs, so as to be alone.
    trial: Cell<Duration>,
}

impl Company {
    /// What to publish where turns took so many `nanos` for this `time`, while so many `others` ran
    /// jobs.
    fn judge(&self, nanos: u32, time: Duration, others: usize) -> u32 {
        let is_alone = others == 0;
        let was_alone = self.was_alone.replace(is_alone);
        if u128::from(nanos) > SHORT.as_nanos() {
            self.alone.set(0);
            self.hold.set(0);
            self.trial.set(Duration::ZERO);
            return nanos;
        }
        if is_alone && was_alone {
            self.alone.set(nanos);
            self.trial.set(Duration::ZERO);
        }
        if self.hold.get() > 0 {
            self.hold.set(self.hold.get() - 1);
            return KEPT;
        }
        if self.trial.get() > time {
            self.trial.set(self.trial.get() - time);
            return KEPT;
        }
        if is_alone {
            return nanos;
        }
        let alone = u64::from(self.alone.get());
        if alone > 0 {
            if u64::from(nanos) < alone * (others as u64 + 1) {
                return nanos;
            }
            self.hold.set(HOLD);
            // Things may be otherwise by then.
            self.alone.set(0);
            return KEPT;
        }
        if self.wait.get() > 0 {
            self.wait.set(self.wait.get() - 1);
            return nanos;
        }
        self.wait.set(RETRY);
        self.trial.set(WORTH);
        KEPT
    }

    /// The worker slept.
    fn interrupt(&self) {
        self.was_alone.set(false);
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
    company: Company,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self {
            last: Cell::new(None),
            every: Cell::new(LOOK),
            left: Cell::new(LOOK),
            company: Company::default(),
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

    /// The look that was due, while so many `others` run jobs; how long the turns since the last
    /// look took, and how many they were.
    pub(crate) fn look(&self, now: Nanos, pace: &Pace, others: usize) -> Option<(Duration, u32)> {
        let last = self.last.replace(Some(now))?;
        let (took, turns) = (now.saturating_since(last), self.every.get());
        let nanos = took.as_nanos() / u128::from(turns.max(1));
        let nanos = u32::try_from(nanos).unwrap_or(SLOW);
        pace.publish(self.company.judge(nanos, took, others));
        let worth = WORTH.as_nanos() * u128::from(turns) / took.as_nanos().max(1);
        let most = LOOK.min(2 * turns);
        self.set(u32::try_from(worth).unwrap_or(LOOK).clamp(1, most));
        Some((took, turns))
    }

    /// The worker slept, or was on the look-out.
    pub(crate) fn interrupt(&self) {
        self.last.set(None);
        self.company.interrupt();
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
        stopwatch.look(Nanos(1_000), &pace, 0);
        assert!(pace.is_worth(1), "one look is no time");
        stopwatch.look(Nanos(1_000 + 100 * u64::from(LOOK)), &pace, 0);
        assert!(!pace.is_worth(1_999) && pace.is_worth(2_000), "100 ns each");
        stopwatch.interrupt();
        stopwatch.look(Nanos(1 << 40), &pace, 0);
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
            stopwatch.look(Nanos(now), &pace, 0);
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

    /// Looks of a worker whose turns take so long with another one, and so long alone; whether it is
    /// alone then is what it got by its last answer.
    fn looks(company: &Company, together: u32, alone: u32, looks: u32) -> (u32, u32) {
        let (mut kept, mut shared) = (0, 0);
        let mut is_kept = false;
        for _ in 0..looks {
            let (nanos, others) = if is_kept { (alone, 0) } else { (together, 1) };
            let time = Duration::from_nanos(u64::from(nanos) * u64::from(LOOK));
            is_kept = company.judge(nanos, time, others) == KEPT;
            *(if is_kept { &mut kept } else { &mut shared }) += 1;
        }
        (kept, shared)
    }

    #[test]
    fn jobs_that_gain_by_help_are_shared() {
        let (kept, shared) = looks(&Company::default(), 150, 100, 10_000);
        assert!(kept < 10, "{kept} looks of {shared} to learn the pace");
    }

    #[test]
    fn jobs_that_lose_by_help_are_kept() {
        let (kept, shared) = looks(&Company::default(), 300, 100, 10_000);
        assert!(shared < 50 && kept > 9_000, "{kept} kept, {shared} shared");
    }

    #[test]
    fn a_try_to_be_alone_is_short_and_seldom() {
        let company = Company::default();
        let mut kept = Duration::ZERO;
        let time = Duration::from_micros(20);
        let looks = 5_000;
        for _ in 0..looks {
            // The others have work of their own.
            if company.judge(300, time, 1) == KEPT {
                kept += time;
            }
        }
        assert!(kept >= WORTH, "it tries");
        assert!(kept <= 6 * WORTH, "{kept:?} of {:?}", looks * time);
    }

    #[test]
    fn long_turns_are_worth_help_at_once() {
        let company = Company::default();
        looks(&company, 300, 100, 100);
        assert_eq!(company.judge(300, WORTH, 1), KEPT);
        assert_eq!(company.judge(2_000, WORTH, 1), 2_000);
        assert_eq!(company.judge(2_000, WORTH, 0), 2_000);
    }
}
