//! How a worker shares its time between its own tasks and what comes from outside.
//!
//! # Protocol
//! Where turns are so long that there is a look before each (`pace.rs`), the worker knows how long each
//! took. What a job from outside took, [`MOST`] at most, it owes to its own tasks: until they have had
//! as much, or there are none, no look takes another one. Where turns are short, looks are far apart, and
//! one job from outside at each look is no burden.
//!
//! # Why neither starves
//! A worker takes one from outside at the latest when its own have had `MOST`, after the turn that goes
//! on then; and its own have their turn after each one from outside.

use core::{cell::Cell, time::Duration};

/// What a worker owes its own tasks at the most.
const MOST: Duration = Duration::from_millis(2);

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    /// The first turn after the last look was a job from outside.
    is_outside: Cell<bool>,
    owed: Cell<Duration>,
}

impl Balance {
    /// Nothing is owed.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A look: the turns since the last one took so long, and were so many; or there was a sleep.
    pub(crate) fn settle(&self, took: Option<(Duration, u32)>) {
        let was_outside = self.is_outside.take();
        self.owed.set(match took {
            None => Duration::ZERO,
            Some((took, 1)) if was_outside => took.min(MOST),
            Some((took, _)) => self.owed.get().saturating_sub(took),
        });
    }

    /// Whether its own tasks go first.
    pub(crate) fn is_owing(&self) -> bool {
        !self.owed.get().is_zero()
    }

    /// This look took a job from outside.
    pub(crate) fn take_outside(&self) {
        self.is_outside.set(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_is_owed_until_the_own_have_had_as_much() {
        let balance = Balance::new();
        let micros = |n| Some((Duration::from_micros(n), 1));
        balance.settle(micros(5_000));
        assert!(!balance.is_owing(), "its own are owed nothing");
        balance.take_outside();
        balance.settle(micros(500));
        assert!(balance.is_owing());
        balance.settle(micros(300));
        assert!(balance.is_owing());
        balance.settle(Some((Duration::from_micros(200), 8)));
        assert!(!balance.is_owing());
        balance.take_outside();
        balance.settle(Some((Duration::from_micros(10), 8)));
        assert!(!balance.is_owing(), "short ones are no burden");
    }

    #[test]
    fn a_debt_is_bounded_and_forgotten_in_a_sleep() {
        let balance = Balance::new();
        let second = Some((Duration::from_secs(1), 1));
        balance.take_outside();
        balance.settle(second);
        balance.settle(Some((MOST, 1)));
        assert!(!balance.is_owing());
        balance.take_outside();
        balance.settle(second);
        balance.settle(None);
        assert!(!balance.is_owing());
    }
}
