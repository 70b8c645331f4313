//! The runtime that this thread is in, without naming it: functions for code that is deep inside
//! a task and was given no [`Spawner`].
//!
//! They look for the runtime when they are called, not when their future is polled: so they are
//! called in a task, in `block_on`, or in a closure that blocks.

use core::{future::Future, time::Duration};

use exec_core::JoinHandle;

use crate::{
    blocking::unblock::Unblock,
    spawner::Spawner,
    time::sleep::{Interval, Sleep, Timeout},
};

/// The spawner of the runtime that this thread is in, for the function `name`.
#[track_caller]
fn here(name: &str) -> Spawner {
    match Spawner::current() {
        Some(spawner) => spawner,
        None => panic!(
            "{name} was called outside of a runtime; call it in a task or in `block_on`, or use \
             the method of a `Runtime` or `Spawner`"
        ),
    }
}

/// Spawns a task on the runtime that this thread is in; see [`Runtime::spawn`](crate::Runtime::spawn).
///
/// # Errors
/// As there.
///
/// # Panics
/// Where [`Spawner::current`] finds no runtime.
///
/// # Examples
/// ```
/// let runtime = mini_executor::Runtime::new().unwrap();
/// let answer = runtime.block_on(async { mini_executor::spawn(async { 42 }).await });
/// assert_eq!(answer.unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    here("spawn").spawn(future)
}

/// A future that is ready after `duration`; see [`Runtime::sleep`](crate::Runtime::sleep).
///
/// # Panics
/// Where [`Spawner::current`] finds no runtime.
///
/// # Cancel safety
/// A drop takes the timer back.
///
/// # Examples
/// ```
/// # use core::time::Duration;
/// let runtime = mini_executor::Runtime::new().unwrap();
/// runtime.block_on(async { mini_executor::sleep(Duration::from_millis(1)).await });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    here("sleep").sleep(duration)
}

/// Runs `future` for `limit` at most; see [`Runtime::timeout`](crate::Runtime::timeout).
///
/// # Errors
/// The future's output is [`Elapsed`](crate::Elapsed) when the time was up first.
///
/// # Panics
/// Where [`Spawner::current`] finds no runtime.
///
/// # Cancel safety
/// As that of `future`.
#[track_caller]
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    here("timeout").timeout(limit, future)
}

/// Beats that are `period` apart; see [`Runtime::interval`](crate::Runtime::interval).
///
/// # Panics
/// Where [`Spawner::current`] finds no runtime.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    here("interval").interval(period)
}

/// Runs a closure that blocks on a thread that may; see
/// [`Runtime::unblock`](crate::Runtime::unblock).
///
/// # Errors
/// As there.
///
/// # Panics
/// Where [`Spawner::current`] finds no runtime.
///
/// # Cancel safety
/// As there.
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn unblock<F, R>(f: F) -> Unblock<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    here("unblock").unblock(f)
}
