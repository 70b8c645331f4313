//! What measuring itself adds to a measured region: two looks at the clock, and nothing else.
//!
//! An empty region is measured as every other one is. Beside it are two looks at the clock alone, in a
//! process that has done the same right before them, so that caches are as cold for both.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use record::{Reading, metric, stats};

use super::{Case, timed};
use crate::switches::Switches;
use crate::usage::Mark;

/// The bench, which the page's legend looks for.
const BENCH: &str = record::experiment::OVERHEAD;

/// How often; the median of them is one reading.
const TIMES: usize = 1_000;

/// The cases.
pub(super) fn cases() -> [Case; 2] {
    [
        Case::new(BENCH, "empty-region", || median(|| timed(|| ()).1.time)),
        Case::new(BENCH, "two-clock-reads", || median(two_clock_reads)),
    ]
}

fn two_clock_reads() -> Duration {
    std::hint::black_box((Mark::now(), Switches::of_this_process()));
    let start = Instant::now();
    start.elapsed()
}

fn median(take: impl Fn() -> Duration) -> anyhow::Result<Reading> {
    let times: Vec<f64> = (0..TIMES).map(|_| take().as_nanos() as f64).collect();
    let median = stats::median(&times).context("no sample")?;
    Ok(Reading::default().with(&metric::TIME, median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_region_is_as_long_as_two_clock_reads() {
        let [empty, reads] = cases().map(|case| case.run().expect("it runs").figures[0].1);
        // Both are some tens of nanoseconds; a system call in between would be a multiple.
        assert!(empty < 5.0 * reads + 100.0, "{empty} {reads}");
    }
}
