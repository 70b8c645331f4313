//! Whether a figure can be trusted: what else the machine did, and how far the samples lie apart.
//!
//! A row is **noisy** when others kept the machine busy while it was measured, or when its
//! median's interval is wider than a tenth of the median: then a second run may well give another
//! figure, and its reader must know. What is counted instead of timed (bytes, system calls,
//! instructions) is not disturbed by others, and noisy only where the counts differ.
//!
//! Of up to five samples the interval has all of them, so that one that was disturbed makes the row
//! noisy: among three, nobody can say which of them was. From seven on, one at either end is left out.

use serde::{Deserialize, Serialize};

use crate::{Interval, stats};

/// The foreign share of the machine from which on a figure is said to be disturbed.
pub const DISTURBED: f64 = 0.05;

/// The spread, as a share of the median, from which on a figure is said to be unsteady.
pub const UNSTEADY: f64 = 0.10;

/// What the machine was like while a row was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// The share of the machine's CPUs that others used, 0 to 1, the median of the samples; null
    /// where the system doesn't say.
    pub foreign: Option<f64>,
    /// The CPUs' frequency in MHz, the median of the samples; null where the system doesn't say.
    pub mhz: Option<f64>,
}

impl Conditions {
    /// Sums up what the samples' processes have seen.
    #[must_use]
    pub fn of(foreign: &[f64], mhz: &[f64]) -> Self {
        Self {
            foreign: stats::median(foreign),
            mhz: stats::median(mhz),
        }
    }
}

/// Says why a figure is noisy; `None` where it is not, as far as is known.
#[must_use]
pub fn reason(
    median: f64,
    interval: Option<Interval>,
    conditions: Option<Conditions>,
) -> Option<String> {
    let percent = |share: f64| share * 100.0;
    let mut reasons = Vec::new();
    let foreign = conditions.and_then(|conditions| conditions.foreign);
    if let Some(share) = foreign.filter(|share| *share > DISTURBED) {
        reasons.push(format!(
            "others used {:.0} % of the machine",
            percent(share)
        ));
    }
    let spread = interval.map(|interval| interval.spread(median));
    if let Some(spread) = spread.filter(|spread| *spread > UNSTEADY) {
        reasons.push(if spread.is_finite() {
            format!("spread {:.0} %", percent(spread))
        } else {
            "the median is 0, not every sample".to_owned()
        });
    }
    (!reasons.is_empty()).then(|| reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_figure_of_a_quiet_machine_is_not_noisy() {
        let interval = Interval {
            low: 95.0,
            high: 104.0,
        };
        let quiet = Conditions::of(&[0.01, 0.02, 0.9], &[2_000.0]);
        assert_eq!(quiet.foreign, Some(0.02), "one disturbed sample of three");
        assert_eq!(reason(100.0, Some(interval), Some(quiet)), None);
        assert_eq!(reason(100.0, None, None), None);
    }

    #[test]
    fn both_reasons_are_told() {
        let interval = Interval {
            low: 80.0,
            high: 110.0,
        };
        let busy = Conditions::of(&[0.4, 0.5, 0.6], &[]);
        assert_eq!(busy.mhz, None);
        assert_eq!(
            reason(100.0, Some(interval), Some(busy)).as_deref(),
            Some("others used 50 % of the machine, spread 30 %")
        );
    }

    #[test]
    fn a_median_of_nothing_has_no_percent() {
        let interval = Interval {
            low: 0.0,
            high: 3.0,
        };
        let told = reason(0.0, Some(interval), None).expect("noisy");
        assert!(!told.contains("inf"), "{told}");
    }
}
