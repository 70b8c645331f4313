//! Which of the sleeping workers wakes for the timers, and how often.
//!
//! To wake takes a worker, and the machine below it, ten microseconds and more, whatever it then
//! finds. So one sleeper is enough for the timers of all workers, and it leaves [`GAP`] between two
//! turns of them, in which timers become due that then fire together.
//!
//! # Protocol
//! A worker that is about to sleep looks for the first timer of any worker. If another sleeper is
//! going to wake for that one, it sleeps on for [`BACKUP`]; otherwise it says that it does so
//! itself, until it wakes.
//!
//! # Why no timer is late for long
//! Every sleeper wakes by itself at the first timer's time, or `BACKUP` after the time at which
//! somebody said that they would. What is said here may be out of date, and costs at most that:
//! whatever the two words hold, one that is told to sleep on is told so because the first says a time
//! that is not after its own, so no interleaving makes it sleep for longer. That is a matter of each
//! call by itself, which the unit test tries with arbitrary words; there is nothing for a model to
//! interleave.

use core::time::Duration;

use exec_core::{
    Nanos,
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Relaxed},
    },
};

/// The least time between two turns of timers that wake a worker.
pub(crate) const GAP: Duration = Duration::from_micros(60);
/// How much longer those sleep who leave the timers to another one.
const BACKUP: Duration = Duration::from_micros(400);

/// See the module head.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// When a sleeper wakes for the timers; the end of time when none does.
    armed: AtomicU64,
    /// When timers fired last.
    fired: AtomicU64,
}

impl Keeper {
    pub(crate) fn new() -> Self {
        Self {
            armed: AtomicU64::new(Nanos::MAX.0),
            fired: AtomicU64::new(0),
        }
    }

    /// Timers have fired.
    pub(crate) fn fired(&self, now: Nanos) {
        // ORDERING: here and below, times that order nothing.
        self.fired.store(now.0, Relaxed);
    }

    /// Until when a sleeper sleeps, where the first timer is due at `next`, and whether it keeps
    /// the time for all: then it calls [`disarm`](Self::disarm) with that time when it wakes.
    pub(crate) fn arm(&self, next: Nanos, now: impl FnOnce() -> Nanos) -> (Nanos, bool) {
        if next == Nanos::MAX {
            return (next, false);
        }
        let next = next.max(Nanos(self.fired.load(Relaxed)).saturating_add(GAP));
        let mut armed = self.armed.load(Relaxed);
        while armed > next.0 {
            match self
                .armed
                .compare_exchange_weak(armed, next.0, AcqRel, Relaxed)
            {
                Ok(_) => return (next, true),
                Err(seen) => armed = seen,
            }
        }
        // It may be past already: then the one who said so is about to run.
        (Nanos(armed).max(now()).saturating_add(BACKUP), false)
    }

    /// The sleeper that was to wake at `at` is awake.
    pub(crate) fn disarm(&self, at: Nanos) {
        let _ = self
            .armed
            .compare_exchange(at.0, Nanos::MAX.0, AcqRel, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sleeper_keeps_the_time() {
        let (keeper, at) = (Keeper::new(), Nanos(1_000_000));
        let now = || Nanos(500_000);
        assert_eq!(keeper.arm(Nanos::MAX, now), (Nanos::MAX, false));
        assert_eq!(keeper.arm(at, now), (at, true));
        assert_eq!(keeper.arm(at, now), (at.saturating_add(BACKUP), false));
        let sooner = Nanos(900_000);
        assert_eq!(keeper.arm(sooner, now), (sooner, true), "takes over");
        keeper.disarm(at);
        assert!(!keeper.arm(sooner, now).1, "the other one is still there");
        keeper.disarm(sooner);
        assert_eq!(keeper.arm(at, now), (at, true));
    }

    /// Others may have left any words behind.
    #[test]
    fn whatever_was_said_nobody_sleeps_on_for_long() {
        let mut dice = 0x2545_F491_4F6C_DD1D_u64;
        let mut roll = move || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice >> (dice % 40)
        };
        for _ in 0..10_000 {
            let (now, next) = (Nanos(roll()), Nanos(roll()));
            // A turn that fired has taken its time before this one did.
            let fired = Nanos(roll().min(now.0));
            let keeper = Keeper {
                armed: AtomicU64::new(roll()),
                fired: AtomicU64::new(fired.0),
            };
            let due = next.max(fired.saturating_add(GAP));
            let (until, keeps) = keeper.arm(next, || now);
            let latest = if keeps {
                due
            } else {
                due.max(now).saturating_add(BACKUP)
            };
            assert!(
                until <= latest,
                "{until:?} of {next:?} at {now:?}, {keeper:?}"
            );
            assert!(!keeps || keeper.armed.load(Relaxed) == until.0, "said so");
        }
    }

    #[test]
    fn turns_are_a_gap_apart() {
        let (keeper, fired) = (Keeper::new(), Nanos(1_000_000));
        keeper.fired(fired);
        let soon = fired.saturating_add(GAP / 4);
        assert_eq!(
            keeper.arm(soon, || fired),
            (fired.saturating_add(GAP), true)
        );
        // The one that keeps the time is late: nobody spins meanwhile.
        let late = fired.saturating_add(GAP * 3);
        assert_eq!(
            keeper.arm(soon, || late),
            (late.saturating_add(BACKUP), false)
        );
    }
}
