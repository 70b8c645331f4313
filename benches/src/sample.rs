//! One sample: one model, one program, one fresh process.
//!
//! # Protocol
//! 1. The process is confined to the asked-for CPUs before it has a second thread.
//! 2. The model is built and runs the program once, unmeasured: pages are touched, workers
//!    have run. The answer is checked, so a wrong model is seen before it is timed.
//! 3. The program runs again, as often as fits into [`LONG_ENOUGH`], once at least. Time and
//!    context switches are taken around all runs and divided by their number. Outside of
//!    that, it is asked what others did with the machine meanwhile, and how fast its CPUs are.

use std::time::{Duration, Instant};

use record::{Sample, machine};

use crate::switches::Switches;
use crate::usage::Mark;

/// Runs are repeated until this much time has been measured: a run of some microseconds
/// would measure the clock and the wake-ups of the first job.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Runs a program again and again and measures it.
///
/// # Errors
/// Where the program could not be run. A wrong answer is a sample, not an error.
///
/// # Blocking
/// Until the program has been run often enough.
pub fn take(run: impl Fn() -> anyhow::Result<u64>, expected: u64) -> anyhow::Result<Sample> {
    let warm_up = run()?;
    if warm_up != expected {
        return Ok(Sample {
            time_ns: 0.0,
            voluntary: 0.0,
            involuntary: 0.0,
            runs: 0,
            checksum: warm_up,
            expected,
            foreign: None,
            mhz: None,
        });
    }

    let mark = Mark::now();
    let switches = Switches::of_this_process();
    let start = Instant::now();
    let mut runs = 0_u32;
    let mut checksum = expected;
    while checksum == expected && (runs == 0 || start.elapsed() < LONG_ENOUGH) {
        checksum = run()?;
        runs += 1;
    }
    let time = start.elapsed();
    let switches = Switches::of_this_process() - switches;
    let foreign = mark.took().foreign;
    let runs = f64::from(runs);
    Ok(Sample {
        time_ns: time.as_secs_f64() * 1e9 / runs,
        voluntary: switches.voluntary as f64 / runs,
        involuntary: switches.involuntary as f64 / runs,
        runs: runs as u64,
        checksum,
        expected,
        foreign,
        mhz: machine::mhz(),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_short_run_is_repeated() {
        let sample = take(|| Ok(std::hint::black_box(7)), 7).expect("it runs");
        assert!(sample.is_right() && sample.runs > 1, "{sample:?}");
        assert!(sample.time_ns > 0.0 && sample.time_ns < 50e6, "{sample:?}");
    }

    #[test]
    fn a_wrong_answer_ends_the_sample_at_once() {
        let runs = Cell::new(0);
        let counted = |answer: fn(u32) -> u64| {
            runs.set(0);
            take(|| Ok(answer(runs.replace(runs.get() + 1))), 7).expect("it runs")
        };
        assert!(!counted(|_| 8).is_right());
        assert_eq!(runs.get(), 1, "a wrong warm-up isn't measured");
        assert!(!counted(|run| if run < 3 { 7 } else { 8 }).is_right());
        assert_eq!(runs.get(), 4, "nothing is run after a wrong answer");
    }

    #[test]
    fn a_failure_is_passed_on() {
        assert!(take(|| Err(anyhow::anyhow!("no")), 7).is_err());
    }
}
