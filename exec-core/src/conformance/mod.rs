//! The tests that every executor has to pass, whatever its model.
//!
//! On a host, one macro call makes one `#[test]` a case, each with a fresh executor and a
//! watchdog:
//!
//! ```
//! use exec_core::Handle;
//! use pool_basic::ThreadPool;
//!
//! exec_core::conformance!(two_workers, || {
//!     Handle::new(ThreadPool::new(2).expect("two threads")).into_dyn()
//! });
//! # fn main() {}
//! ```
//!
//! Where there is no test harness (inside our kernel) call [`run_all`]. Cases that need a panic
//! to be caught are left out where nothing unwinds, and [`Config`] leaves out what a ground cannot
//! do; both are counted as skipped, never silently.
//!
//! A case uses nothing but [`Handle`], atomics and the handle's own ground, so that it runs
//! everywhere unchanged. What a model may choose (refuse a nested wait, or help) is read from
//! its [`Caps`](crate::Caps).

mod detached;
mod fork;
mod future;
mod gate;
mod join_handle;
#[cfg(feature = "std")]
mod panic;
mod scope;
mod shutdown;
mod sleep;
mod spawn;

use core::fmt;

use crate::Handle;

/// Makes a fresh executor.
pub type Make<'a> = &'a dyn Fn() -> Handle;

/// What the ground of the executor under test can do.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `Shutdown::Now` ends the whole process (one-to-one in our kernel): it is not called.
    pub now_ends_process: bool,
    /// How many jobs a case spawns at once; lower it where each job is a thread and threads
    /// are few. At least 8.
    pub many: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            now_ends_process: false,
            many: 500,
        }
    }
}

impl Config {
    /// Says that `Shutdown::Now` ends the process.
    #[must_use]
    pub const fn now_ends_process(mut self, yes: bool) -> Self {
        self.now_ends_process = yes;
        self
    }

    /// Sets how many jobs a case spawns at once.
    #[must_use]
    pub const fn many(mut self, jobs: usize) -> Self {
        self.many = if jobs < 8 { 8 } else { jobs };
        self
    }
}

/// Why a case did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped(
    /// The reason.
    pub &'static str,
);

/// What a case returns: nothing, or why it does not apply.
pub type Outcome = Result<(), Skipped>;

/// One test.
#[derive(Clone, Copy)]
pub struct Case {
    /// The claim it tests, as a name.
    pub name: &'static str,
    /// Runs it; a failure panics.
    pub run: fn(Make<'_>, &Config) -> Outcome,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Runs every case one after the other; `say` is told before and after each, with how it ended
/// (`None` before). A failing case panics, and with it the run. Returns how many passed and how
/// many were skipped.
pub fn run_all(
    make: Make<'_>,
    config: &Config,
    say: &mut dyn FnMut(&Case, Option<Outcome>),
) -> (usize, usize) {
    let (mut passed, mut skipped) = (0, 0);
    for case in CASES {
        say(case, None);
        let outcome = (case.run)(make, config);
        match outcome {
            Ok(()) => passed += 1,
            Err(_) => skipped += 1,
        }
        say(case, Some(outcome));
    }
    (passed, skipped)
}

/// Runs one case under a watchdog: what the tests of [`conformance!`](macro@crate::conformance) call.
///
/// # Panics
/// When the case fails, or has not ended after a minute.
#[cfg(feature = "std")]
pub fn run_watched(name: &str, make: fn() -> Handle, config: Config) {
    use std::{sync::mpsc, time::Duration};

    let case = *CASES
        .iter()
        .find(|case| case.name == name)
        .expect("invariant: the macro names only cases of the list");
    let (done, ended) = mpsc::channel();
    let runner = std::thread::Builder::new()
        .name(std::format!("case {name}"))
        .spawn(move || {
            let outcome = (case.run)(&make, &config);
            let _ = done.send(());
            outcome
        })
        .expect("the watched thread of a conformance case could not be started");
    match ended.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}: hung for a minute"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => match runner.join() {
            Ok(Ok(())) => {}
            Ok(Err(Skipped(why))) => std::println!("{name}: skipped: {why}"),
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

/// Calls a macro with the list of all cases, so that the list stands in one place.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_conformance_case {
    ($callback:path { $($args:tt)* }) => {
        $callback! { { $($args)* }
            spawn::returns_the_result
            spawn::runs_each_job_once
            spawn::runs_jobs_that_jobs_spawn
            spawn::takes_closures_of_any_shape
            spawn::drops_captures_once
            spawn::tells_its_caps
            detached::execute_runs_without_a_handle
            detached::a_dropped_handle_detaches
            detached::output_is_dropped_once_whoever_is_last
            join_handle::join_after_the_end_and_before
            join_handle::becomes_finished
            join_handle::cancel_tells_the_truth
            join_handle::join_until_gives_the_handle_back
            join_handle::is_a_future
            join_handle::self_join_is_an_error
            join_handle::nested_join_ends
            fork::returns_both
            fork::nests
            fork::borrows_and_mutates
            scope::borrows_from_the_stack
            scope::spawns_from_its_jobs
            scope::nests_inside_jobs
            scope::may_be_empty
            future::spawn_async_returns_the_output
            future::yields_many_times
            future::is_woken_by_a_job
            future::wakes_coalesce
            future::cancel_drops_a_waiting_future
            future::two_tasks_ping_pong
            future::awaits_a_handle
            future::late_wakes_are_harmless
            future::block_on_waits_for_a_job
            sleep::is_not_early_and_ends
            sleep::extreme_deadlines
            shutdown::drain_runs_everything
            shutdown::refuses_afterwards_and_hands_back
            shutdown::is_idempotent_and_concurrent
            shutdown::deadline_leaves_no_joiner_hanging
            shutdown::now_leaves_no_joiner_hanging
            shutdown::cancels_waiting_futures
            shutdown::dropping_the_last_handle_drains
            shutdown::spawn_during_shutdown_is_answered
            shutdown::counts_add_up
        }
    };
}

/// The cases that need a panic to be caught.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_unwinding_case {
    ($callback:path { $($args:tt)* }) => {
        $callback! { { $($args)* }
            panic::reaches_the_joiner
            panic::leaves_the_workers_alive
            panic::of_a_detached_job_is_counted
            panic::in_drop_of_captures_reaches_the_joiner
            panic::in_drop_of_an_unread_result_is_contained
            panic::with_a_payload_that_panics_in_drop_is_contained
            panic::in_a_future_reaches_the_joiner
            panic::in_a_waker_does_not_tear_the_cell
            panic::in_a_scope_waits_for_all_and_goes_on
            panic::in_either_half_of_a_join_waits_for_the_other
        }
    };
}

macro_rules! array {
    ({ $name:ident } $($module:ident :: $case:ident)*) => {
        const $name: &[Case] = &[$(
            Case { name: concat!(stringify!($module), "::", stringify!($case)), run: $module::$case },
        )*];
    };
}

crate::__for_each_conformance_case!(array { PLAIN });
#[cfg(feature = "std")]
crate::__for_each_unwinding_case!(array { UNWINDING });
#[cfg(not(feature = "std"))]
const UNWINDING: &[Case] = &[];

const COUNT: usize = PLAIN.len() + UNWINDING.len();

const fn all() -> [Case; COUNT] {
    let mut cases = [PLAIN[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        cases[at] = if at < PLAIN.len() {
            PLAIN[at]
        } else {
            UNWINDING[at - PLAIN.len()]
        };
        at += 1;
    }
    cases
}

/// Every case of this build.
pub static CASES: &[Case] = &all();

/// Makes a module of tests, one a case, for an executor.
///
/// The first argument names the module, the second makes a fresh [`Handle`] (a closure that
/// captures nothing, or a function), the third, a [`Config`], may be
/// left out.
#[macro_export]
macro_rules! conformance {
    ($module:ident, $make:expr $(,)?) => {
        $crate::conformance!($module, $make, $crate::conformance::Config::default());
    };
    ($module:ident, $make:expr, $config:expr $(,)?) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            fn make() -> $crate::Handle {
                ($make)()
            }
            fn config() -> $crate::conformance::Config {
                $config
            }
            $crate::__for_each_conformance_case!($crate::__conformance_tests {});
            $crate::__for_each_unwinding_case!($crate::__conformance_tests {});
        }
    };
}

/// Writes the tests of [`conformance!`](crate::conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({} $($group:ident :: $case:ident)*) => { $(
        #[test]
        fn $case() {
            $crate::conformance::run_watched(
                concat!(stringify!($group), "::", stringify!($case)),
                make,
                config(),
            );
        }
    )* };
}
