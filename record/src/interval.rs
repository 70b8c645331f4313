//! How sure a median is: the bootstrap's confidence interval.
//!
//! # How it is made
//! As many samples as there are get drawn from the samples, with replacement, and their median
//! is noted; [`RESAMPLES`] times. What lies between the 2.5th and the 97.5th percentile of these
//! medians is the interval. The draws come from a fixed seed and the samples are sorted first, so
//! the same samples, in any order, have the same interval in every run.
//!
//! # What it can't say
//! The bootstrap knows nothing beyond the samples. Up to five of them can't hold the true median
//! with 95 % at all: the widest that there is, from the least to the greatest, has it with
//! 1 − 2^(1−n), 75 % for three. [`Interval::coverage`] says so.

use serde::{Deserialize, Serialize};

use crate::stats;

/// How often the samples are drawn from.
const RESAMPLES: usize = 2_000;

/// What an interval is meant to cover.
const CONFIDENCE: f64 = 0.95;

/// Any number will do, as long as it stays.
const SEED: u64 = 0x6d65_6469_616e_7321;

/// Where the true median probably lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end, which belongs to it.
    pub low: f64,
    /// The upper end, which belongs to it.
    pub high: f64,
}

impl Interval {
    /// The interval of the samples' median; `None` for fewer than two samples.
    ///
    /// Samples that are not finite are left out.
    #[must_use]
    pub fn of_median(samples: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|s| s.is_finite()).collect();
        if sorted.len() < 2 {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut drawn = vec![0.0; sorted.len()];
        let mut medians = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            drawn.fill_with(|| sorted[random.usize(..sorted.len())]);
            medians.push(stats::median(&drawn)?);
        }
        medians.sort_by(f64::total_cmp);
        let outside = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
        Some(Self {
            low: medians[outside],
            high: medians[RESAMPLES - 1 - outside],
        })
    }

    /// Whether two intervals have a point in common: then nobody may say which median is less.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// Its width as a share of a median; infinite where the median is 0 and the width is not.
    #[must_use]
    pub fn spread(self, median: f64) -> f64 {
        let width = self.high - self.low;
        if width == 0.0 {
            0.0
        } else {
            width / median.abs()
        }
    }

    /// With what probability the interval of this many samples has the true median, at the most.
    #[must_use]
    pub fn coverage(samples: usize) -> f64 {
        let widest = 1.0 - 2_f64.powi(1 - i32::try_from(samples).unwrap_or(i32::MAX));
        widest.clamp(0.0, CONFIDENCE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[f64]) -> Interval {
        Interval::of_median(samples).expect("two samples at the least")
    }

    #[test]
    fn one_sample_says_nothing() {
        assert_eq!(Interval::of_median(&[]), None);
        assert_eq!(Interval::of_median(&[1.0]), None);
        assert_eq!(Interval::of_median(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn equal_samples_leave_no_doubt() {
        let interval = of(&[5.0; 7]);
        assert_eq!((interval.low, interval.high), (5.0, 5.0));
        assert_eq!(interval.spread(5.0), 0.0);
    }

    #[test]
    fn one_straggler_of_many_does_not_count() {
        let interval = of(&[10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 10.7, 10.8, 99.0]);
        assert!(
            interval.low >= 10.0 && interval.high <= 10.9,
            "{interval:?}"
        );
    }

    #[test]
    fn up_to_five_samples_are_all_inside_and_of_seven_one_at_an_end_is_not() {
        let with_a_straggler = |count: usize| {
            let mut samples = vec![10.0; count - 1];
            samples.push(99.0);
            of(&samples)
        };
        assert_eq!(with_a_straggler(3).high, 99.0);
        assert_eq!(with_a_straggler(5).high, 99.0);
        assert_eq!(with_a_straggler(7).high, 10.0);
    }

    #[test]
    fn few_samples_are_said_to_be_few() {
        assert_eq!(Interval::coverage(3), 0.75);
        assert_eq!(Interval::coverage(1), 0.0);
        assert_eq!(Interval::coverage(100), CONFIDENCE);
    }

    #[test]
    fn touching_is_overlapping() {
        let at = |low, high| Interval { low, high };
        assert!(at(1.0, 2.0).overlaps(at(2.0, 3.0)));
        assert!(at(1.0, 9.0).overlaps(at(2.0, 3.0)));
        assert!(!at(1.0, 2.0).overlaps(at(2.1, 3.0)));
        assert!(at(0.0, 0.0).spread(0.0) == 0.0);
        assert!(at(0.0, 1.0).spread(0.0).is_infinite());
    }

    /// The interval has the true median about as often as it says: with an error of some percent that
    /// 300 trials of a fixed seed may have.
    #[test]
    fn the_true_median_is_inside_as_often_as_promised() {
        let mut random = fastrand::Rng::with_seed(7);
        let trials = 300;
        let inside = (0..trials)
            .filter(|_| {
                let samples: Vec<f64> = (0..15).map(|_| random.f64().powi(3)).collect();
                let interval = of(&samples);
                // The median of a uniform variable's cube is the cube of its median.
                (interval.low..=interval.high).contains(&0.125)
            })
            .count();
        let share = inside as f64 / f64::from(trials);
        assert!((0.92..=0.99).contains(&share), "{share}");
    }

    fn samples() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.1_f64..1e9, 2..24)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_median_is_inside_and_the_samples_are_around(samples in samples()) {
            let interval = of(&samples);
            let median = stats::median(&samples).expect("samples");
            let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = samples.iter().copied().fold(0.0, f64::max);
            prop_assert!(least <= interval.low && interval.low <= median);
            prop_assert!(median <= interval.high && interval.high <= greatest);
        }

        #[test]
        fn the_order_of_measuring_does_not_matter(samples in samples(), seed in any::<u64>()) {
            let mut shuffled = samples.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            prop_assert_eq!(of(&samples), of(&shuffled));
        }

        #[test]
        fn another_unit_is_another_scale_and_no_more(samples in samples()) {
            let interval = of(&samples);
            let doubled = of(&samples.iter().map(|s| s * 2.0).collect::<Vec<_>>());
            prop_assert_eq!((interval.low * 2.0, interval.high * 2.0), (doubled.low, doubled.high));
        }

        #[test]
        fn overlapping_is_mutual(a in samples(), b in samples()) {
            let (a, b) = (of(&a), of(&b));
            prop_assert_eq!(a.overlaps(b), b.overlaps(a));
            prop_assert!(a.overlaps(a));
        }
    }
}
