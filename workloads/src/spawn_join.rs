//! n tiny jobs, each spawned and joined: what a model takes for starting and ending one.
//!
//! Jobs are joined in the order of spawning, and at most [`WINDOW`] are unjoined at a time:
//! enough to keep every worker busy, and few enough that one thread a job fits into a small
//! machine.

use alloc::collections::VecDeque;

use exec_core::{Executor, Handle, JoinError, JoinHandle};

use crate::mix::mix;

/// The most jobs that are spawned and not yet joined.
pub const WINDOW: usize = 256;

/// Spawns and joins `n` jobs and sums what they return.
///
/// # Errors
/// The first job's that could not be run.
///
/// # Blocking
/// Until every job has ended.
pub fn run<E: Executor + ?Sized>(handle: &Handle<E>, n: u64) -> Result<u64, JoinError> {
    let mut window: VecDeque<JoinHandle<u64>> = VecDeque::with_capacity(WINDOW);
    let mut sum = 0_u64;
    for number in 0..n {
        if window.len() == WINDOW
            && let Some(oldest) = window.pop_front()
        {
            sum = sum.wrapping_add(oldest.join()?);
        }
        window.push_back(handle.spawn(move || mix(number)));
    }
    for job in window {
        sum = sum.wrapping_add(job.join()?);
    }
    Ok(sum)
}

/// The same sum in a loop.
#[must_use]
pub fn serial(n: u64) -> u64 {
    (0..n).fold(0, |sum, number| sum.wrapping_add(mix(number)))
}
