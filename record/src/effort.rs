//! How often something is measured.

use std::time::Duration;

/// How often each case of a run is measured.
///
/// What decides about a further round is only what the case has cost: a rule that looked at the figures,
/// and stopped when they agree, would find agreement that isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rounds of every case.
    pub rounds: usize,
    /// Rounds of a case that is short.
    pub most: usize,
    /// A case is short as long as its processes have not taken so long in all.
    pub slice: Duration,
}

impl Effort {
    /// Of a measurement.
    pub const FULL: Self = Self {
        rounds: 7,
        most: 11,
        slice: Duration::from_secs(3),
    };

    /// Of a look.
    pub const QUICK: Self = Self {
        rounds: 3,
        most: 7,
        slice: Duration::from_millis(450),
    };

    /// So many rounds of every case, short or not.
    #[must_use]
    pub const fn exactly(rounds: usize) -> Self {
        Self {
            rounds,
            most: rounds,
            slice: Duration::ZERO,
        }
    }

    /// That of a look, or of a measurement.
    #[must_use]
    pub const fn of(quick: bool) -> Self {
        if quick { Self::QUICK } else { Self::FULL }
    }

    /// Whether a case that has taken so long has this round, the first being 1.
    #[must_use]
    pub fn grants(&self, round: usize, took: Duration) -> bool {
        round <= self.rounds || (round <= self.most && took < self.slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_short_has_more_rounds() {
        let effort = Effort {
            rounds: 2,
            most: 5,
            slice: Duration::from_secs(1),
        };
        let granted = |took| (1..=9).filter(|round| effort.grants(*round, took)).count();
        assert_eq!(granted(Duration::ZERO), 5);
        assert_eq!(granted(Duration::from_secs(1)), 2);
        let exactly = Effort::exactly(3);
        assert!(exactly.grants(3, Duration::MAX) && !exactly.grants(4, Duration::ZERO));
    }
}
