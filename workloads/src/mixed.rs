//! CPU jobs beside n sleeping tasks: how a model shares its workers between those that
//! compute and those that only wait.
//!
//! Each task sleeps [`NAPS`] times for [`NAP`]. A model with timers holds them all with no
//! thread; a model without sleeps on a worker, and the time of the run shows it.

use alloc::vec::Vec;
use core::time::Duration;

use exec_core::{Executor, Handle, JoinError};

use crate::mix::{churn, mix};

/// How often each task sleeps.
pub const NAPS: u64 = 2;

/// How long each task sleeps at a time.
pub const NAP: Duration = Duration::from_millis(1);

/// CPU jobs beside the tasks.
pub const CPU_JOBS: u64 = 32;

/// Rounds of [`churn`] a CPU job: some tens of microseconds.
pub const ROUNDS: u64 = 20_000;

/// What one nap of one task adds to the checksum.
#[must_use]
pub fn nap_value(task: u64, nap: u64) -> u64 {
    mix(task ^ (nap << 32))
}

/// Runs [`CPU_JOBS`] jobs beside `n` sleeping tasks and sums what they return.
///
/// # Errors
/// The first job's or task's that could not be run.
///
/// # Blocking
/// Until every job and task has ended.
pub fn run<E: Executor + ?Sized>(handle: &Handle<E>, n: u64) -> Result<u64, JoinError> {
    let tasks: Vec<_> = (0..n)
        .map(|number| {
            let sleeper = handle.clone();
            handle.spawn_async(async move {
                let mut sum = 0_u64;
                for nap in 0..NAPS {
                    let start = sleeper.ground().now();
                    sleeper.sleep(NAP).await;
                    // A sleep that ends too early is a wrong answer.
                    if sleeper.ground().now().saturating_since(start) >= NAP {
                        sum = sum.wrapping_add(nap_value(number, nap));
                    }
                }
                sum
            })
        })
        .collect();
    let jobs: Vec<_> = (0..CPU_JOBS)
        .map(|number| handle.spawn(move || churn(number, ROUNDS)))
        .collect();
    let mut sum = 0_u64;
    for job in jobs {
        sum = sum.wrapping_add(job.join()?);
    }
    for task in tasks {
        sum = sum.wrapping_add(task.join()?);
    }
    Ok(sum)
}

/// The same sum in a loop, without the sleeping.
#[must_use]
pub fn serial(n: u64) -> u64 {
    let cpu = (0..CPU_JOBS).fold(0_u64, |sum, number| sum.wrapping_add(churn(number, ROUNDS)));
    (0..n)
        .flat_map(|number| (0..NAPS).map(move |nap| nap_value(number, nap)))
        .fold(cpu, u64::wrapping_add)
}
