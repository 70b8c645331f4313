//! One sample: one model, one program, one fresh process.
//!
//! # Protocol
//! 1. The process is confined to the asked-for CPUs before it has a second thread.
//! 2. The model is built and runs the program once, unmeasured: pages are touched, workers
//!    have run. The answer is checked, so a wrong model is seen before it is timed.
//! 3. The program runs again, as often as fits into [`LONG_ENOUGH`], once at least. Time and
//!    context switches are taken around all runs and divided by their number.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use exec_core::Handle;
use record::Sample;
use workloads::Workload;

use crate::switches::Switches;

/// Runs are repeated until this much time has been measured: a run of some microseconds
/// would measure the clock and the wake-ups of the first job.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Runs a program under a model and measures it.
///
/// # Errors
/// Where the program could not be run. A wrong answer is a sample, not an error.
///
/// # Blocking
/// Until the program has been run often enough.
pub fn take(
    handle: &Handle,
    workload: Workload,
    param: u64,
    text: &[u8],
) -> anyhow::Result<Sample> {
    let expected = workload.serial(param, text);
    // A payload can't be shared between threads, so the error becomes its text.
    let run = || {
        workload
            .run(handle, param, text)
            .map_err(|error| anyhow!("the program could not be run: {error}"))
    };
    let warm_up = run()?;
    if warm_up != expected {
        return Ok(Sample {
            time_ns: 0.0,
            voluntary: 0.0,
            involuntary: 0.0,
            runs: 0,
            checksum: warm_up,
            expected,
        });
    }

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
    let runs = f64::from(runs);
    Ok(Sample {
        time_ns: time.as_secs_f64() * 1e9 / runs,
        voluntary: switches.voluntary as f64 / runs,
        involuntary: switches.involuntary as f64 / runs,
        runs: runs as u64,
        checksum,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::RayonPool;

    #[test]
    fn a_sample_has_a_time_and_the_right_answer() {
        let handle = Handle::new(RayonPool::new(2).expect("two threads")).into_dyn();
        let sample = take(&handle, Workload::Fib, 10, &[]).expect("it runs");
        assert!(sample.is_right() && sample.checksum == 55, "{sample:?}");
        assert!(sample.runs > 1, "ten microseconds are repeated: {sample:?}");
        assert!(sample.time_ns > 0.0 && sample.time_ns < 50e6, "{sample:?}");
    }
}
