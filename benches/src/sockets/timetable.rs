//! When each request is due: at a rate, whatever becomes of those before it.
//!
//! Whoever counts a latency from here counts also what a request waited for others. A load that
//! sends the next request after the last answer would leave that out, and be kindest to the server
//! that is slowest (coordinated omission).

use std::time::Duration;

/// Requests at a steady rate, the first at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timetable {
    rate: u64,
    requests: u64,
}

impl Timetable {
    /// So many requests a second, for so long; one at least.
    pub(crate) fn new(rate: u64, length: Duration) -> Self {
        let rate = rate.max(1);
        let requests = u128::from(rate) * length.as_nanos() / NS_A_SECOND;
        Self {
            rate,
            requests: u64::try_from(requests).unwrap_or(u64::MAX).max(1),
        }
    }

    /// How many there are.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// When a request is due, from the start.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let ns = (u128::from(number) * NS_A_SECOND).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// How many are due at this time or were before.
    pub(crate) fn due_by(&self, time: Duration) -> u64 {
        let count = time.as_nanos() * u128::from(self.rate) / NS_A_SECOND + 1;
        u64::try_from(count).unwrap_or(u64::MAX).min(self.requests)
    }
}

const NS_A_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_a_steady_rate() {
        let table = Timetable::new(20_000, Duration::from_millis(1));
        assert_eq!(table.requests(), 20);
        let due: Vec<_> = (0..3).map(|n| table.due(n).as_micros()).collect();
        assert_eq!(due, [0, 50, 100]);
    }

    #[test]
    fn both_directions_agree() {
        // A rate that does not divide a second, so that the due times are rounded.
        for rate in [1, 3, 7_000, 20_000] {
            let table = Timetable::new(rate, Duration::from_secs(20));
            for number in 0..table.requests().min(200) {
                let due = table.due(number);
                assert_eq!(table.due_by(due), number + 1, "{number} at {rate}/s");
                if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
                    assert_eq!(table.due_by(before), number, "{number} at {rate}/s");
                }
            }
        }
    }

    #[test]
    fn it_ends() {
        let table = Timetable::new(1_000, Duration::from_millis(5));
        assert_eq!(table.due_by(Duration::from_secs(3600)), 5);
        assert_eq!(Timetable::new(0, Duration::ZERO).requests(), 1);
    }
}
