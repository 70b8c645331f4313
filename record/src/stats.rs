//! The two figures that stand for a set of samples: its median and its minimum.
//!
//! The median is what a user will see; the minimum is what the code costs when nothing
//! else ran. A mean is not offered: on a shared machine it measures the neighbours.

/// Returns the middle sample, or the mean of the two middle ones; `None` without samples.
///
/// Samples that are not finite are left out.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = samples.iter().copied().filter(|s| s.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// Returns the smallest sample; `None` without samples.
///
/// Samples that are not finite are left out.
#[must_use]
pub fn min(samples: &[f64]) -> Option<f64> {
    samples
        .iter()
        .copied()
        .filter(|s| s.is_finite())
        .min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_takes_the_middle_one() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
    }

    #[test]
    fn even_takes_the_mean_of_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn nothing_has_no_median_and_no_min() {
        assert_eq!(median(&[]), None);
        assert_eq!(min(&[]), None);
        assert_eq!(median(&[f64::NAN]), None);
        assert_eq!(min(&[f64::INFINITY]), None);
    }

    #[test]
    fn min_is_the_least_finite() {
        assert_eq!(min(&[3.0, f64::NAN, 2.0, f64::NEG_INFINITY]), Some(2.0));
    }
}
