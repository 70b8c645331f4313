//! The contract that every executor of the family passes, case by case: what it means for jobs that
//! are functions with arguments, or why it has no meaning there.
//!
//! The pool is no `Executor`, so `exec_core::conformance!` can't be called on it. A case that is
//! added there, and not decided on here, fails this test.

mod jobs;
mod watchdog;

use std::{collections::BTreeSet, time::Duration};

use exec_core::{Nested, Shutdown, conformance::CASES};
use jobs::*;
use pool_process::{JobError, Reason};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

/// What becomes of a case of the conformance suite.
enum Here {
    /// It is tested, here.
    Tested(fn()),
    /// It is tested by this test of this crate.
    At(&'static str),
    /// It has no meaning, for this reason.
    Meaningless(&'static str),
}

use Here::{At, Meaningless, Tested};

const FUTURE: &str = "no job is a future: a waker is of this process, and so is what it wakes";
const BORROW: &str = "no job borrows: a worker does not see this process's memory";
const CAPTURES: &str = "arguments are dropped in the worker, once, by the function that takes them";
const NESTED: &str = "a job has no handle of its pool, so it can't wait for another job";
const TIMERS: &str = "a pool of processes has no timers; the handles are futures of any executor";

const TABLE: &[(&str, Here)] = &[
    ("spawn::returns_the_result", Tested(returns_the_result)),
    (
        "spawn::runs_each_job_once",
        At("shutdown.rs: drain_runs_everything"),
    ),
    ("spawn::runs_jobs_that_jobs_spawn", Meaningless(NESTED)),
    (
        "spawn::takes_closures_of_any_shape",
        At("join.rs: large_values"),
    ),
    ("spawn::drops_captures_once", Meaningless(CAPTURES)),
    ("spawn::tells_its_caps", Tested(tells_its_caps)),
    (
        "detached::execute_runs_without_a_handle",
        Tested(execute_runs_without_a_handle),
    ),
    (
        "detached::a_dropped_handle_detaches",
        At("join.rs: dropped_handles_detach"),
    ),
    (
        "detached::output_is_dropped_once_whoever_is_last",
        Meaningless("a result that nobody joins is bytes and is never made into a value here"),
    ),
    (
        "join_handle::join_after_the_end_and_before",
        Tested(join_after_the_end_and_before),
    ),
    (
        "join_handle::becomes_finished",
        At("join.rs: becomes_finished"),
    ),
    (
        "join_handle::cancel_tells_the_truth",
        At("join.rs: cancel_tells_the_truth"),
    ),
    (
        "join_handle::join_until_gives_the_handle_back",
        At("join.rs: time_outs_give_the_handle_back"),
    ),
    ("join_handle::is_a_future", At("join.rs: is_a_future")),
    ("join_handle::self_join_is_an_error", Meaningless(NESTED)),
    ("join_handle::nested_join_ends", Meaningless(NESTED)),
    ("fork::returns_both", Meaningless(BORROW)),
    ("fork::nests", Meaningless(BORROW)),
    ("fork::borrows_and_mutates", Meaningless(BORROW)),
    ("scope::borrows_from_the_stack", Meaningless(BORROW)),
    ("scope::spawns_from_its_jobs", Meaningless(BORROW)),
    ("scope::nests_inside_jobs", Meaningless(BORROW)),
    ("scope::may_be_empty", Meaningless(BORROW)),
    (
        "future::spawn_async_returns_the_output",
        Meaningless(FUTURE),
    ),
    ("future::yields_many_times", Meaningless(FUTURE)),
    ("future::is_woken_by_a_job", Meaningless(FUTURE)),
    ("future::wakes_coalesce", Meaningless(FUTURE)),
    ("future::cancel_drops_a_waiting_future", Meaningless(FUTURE)),
    ("future::two_tasks_ping_pong", Meaningless(FUTURE)),
    (
        "future::awaits_a_handle",
        At("join.rs: another_executor_awaits_it"),
    ),
    ("future::late_wakes_are_harmless", Meaningless(FUTURE)),
    (
        "future::block_on_waits_for_a_job",
        Tested(block_on_waits_for_a_job),
    ),
    ("sleep::is_not_early_and_ends", Meaningless(TIMERS)),
    ("sleep::extreme_deadlines", Tested(extreme_deadlines)),
    (
        "shutdown::drain_runs_everything",
        At("shutdown.rs: drain_runs_everything"),
    ),
    (
        "shutdown::refuses_afterwards_and_hands_back",
        Tested(refuses_afterwards_and_hands_back),
    ),
    (
        "shutdown::is_idempotent_and_concurrent",
        At("shutdown.rs: from_several_threads_at_once"),
    ),
    (
        "shutdown::deadline_leaves_no_joiner_hanging",
        At("shutdown.rs: a_deadline_kills_what_is_left"),
    ),
    (
        "shutdown::now_leaves_no_joiner_hanging",
        At("shutdown.rs: now_kills_at_once"),
    ),
    ("shutdown::cancels_waiting_futures", Meaningless(FUTURE)),
    (
        "shutdown::dropping_the_last_handle_drains",
        At("shutdown.rs: handles_outlive_the_pool"),
    ),
    (
        "shutdown::spawn_during_shutdown_is_answered",
        At("shutdown.rs: spawning_meanwhile_is_answered"),
    ),
    ("shutdown::counts_add_up", Tested(counts_add_up)),
    (
        "panic::reaches_the_joiner",
        At("panic.rs: the_message_comes_back_and_the_worker_lives"),
    ),
    (
        "panic::leaves_the_workers_alive",
        At("panic.rs: the_message_comes_back_and_the_worker_lives"),
    ),
    (
        "panic::of_a_detached_job_is_counted",
        At("panic.rs: errors_that_nobody_joins"),
    ),
    (
        "panic::in_drop_of_captures_reaches_the_joiner",
        Meaningless(CAPTURES),
    ),
    (
        "panic::in_drop_of_an_unread_result_is_contained",
        Meaningless("a result that nobody joins is bytes and has no drop here"),
    ),
    (
        "panic::with_a_payload_that_panics_in_drop_is_contained",
        At("panic.rs: the_message_comes_back_and_the_worker_lives"),
    ),
    ("panic::in_a_future_reaches_the_joiner", Meaningless(FUTURE)),
    (
        "panic::in_a_waker_does_not_tear_the_cell",
        At("panic.rs: wakers_that_panic"),
    ),
    (
        "panic::in_a_scope_waits_for_all_and_goes_on",
        Meaningless(BORROW),
    ),
    (
        "panic::in_either_half_of_a_join_waits_for_the_other",
        Meaningless(BORROW),
    ),
];

#[test]
fn every_case_is_decided_on() {
    let cases: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    let decided: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(cases, decided);
    assert_eq!(TABLE.len(), decided.len(), "each once");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for (name, here) in TABLE {
        match here {
            Tested(test) => watched(*test),
            At(place) => {
                let (file, test) = place.split_once(": ").expect("a file and a test");
                let text = std::fs::read_to_string(folder.join(file)).expect(place);
                let line = format!("#[test]\nfn {test}() {{");
                assert!(text.contains(&line), "{name}: there is no {place}");
            }
            Meaningless(why) => println!("{name}: skipped: {why}"),
        }
    }
}

fn returns_the_result() {
    assert_eq!(pool(1).spawn(&DOUBLE, 21).join(), Ok(42));
}

fn tells_its_caps() {
    let caps = pool(2).caps();
    assert_eq!((caps.model, caps.workers), ("pool-process", 2));
    assert!(caps.preemptive && !caps.native_futures && !caps.parallel_join);
    assert_eq!(caps.nested, Nested::Fine);
}

fn execute_runs_without_a_handle() {
    let pool = pool(1);
    let path = fresh_file("execute");
    let note = (path.clone(), "ran".to_owned());
    pool.execute(&NOTE, note).expect("accepted");
    let _ = pool.shutdown(Shutdown::Drain);
    assert_eq!(std::fs::read_to_string(&path).expect("the note"), "ran\n");
    std::fs::remove_file(path).expect("it is ours");
}

fn join_after_the_end_and_before() {
    let pool = pool(1);
    let after = pool.spawn(&DOUBLE, 1);
    pool.wait_idle();
    assert_eq!(after.join(), Ok(2));
    assert_eq!(pool.spawn(&DOUBLE, 2).join(), Ok(4));
}

fn block_on_waits_for_a_job() {
    let pool = pool(1);
    let runtime = mini_executor::Runtime::builder().workers(1).build();
    let handle = exec_core::Handle::new(runtime.expect("a thread"));
    assert_eq!(handle.block_on(pool.spawn(&DOUBLE, 2)), Ok(4));
}

fn extreme_deadlines() {
    let pool = pool(1);
    let hang = pool.spawn(&HANG, ());
    let hang = hang.join_timeout(Duration::ZERO).expect_err("it hangs");
    let double = pool.spawn(&DOUBLE, 2);
    assert!(hang.kill());
    assert_eq!(double.join_timeout(Duration::MAX).ok(), Some(Ok(4)));
    assert_eq!(hang.join(), Err(JobError::Cancelled));
}

fn refuses_afterwards_and_hands_back() {
    let pool = pool(1);
    assert!(pool.shutdown(Shutdown::Drain).is_clean());
    let refused = pool.try_spawn(&DOUBLE, 7).expect_err("it is closed");
    assert_eq!((&refused.reason, refused.args), (&Reason::ShutDown, 7));
}

fn counts_add_up() {
    let pool = pool(2);
    let jobs: Vec<_> = (0..100).map(|n| pool.spawn(&DOUBLE, n)).collect();
    let cancelled = jobs.iter().filter(|job| job.cancel()).count() as u64;
    let report = pool.shutdown(Shutdown::Drain);
    assert_eq!(report.cancelled, cancelled);
    assert_eq!(report.finished + report.cancelled, 100);
    let stats = pool.stats();
    assert_eq!((stats.scheduled, stats.ran), (100, report.finished));
    assert_eq!(stats.threads, 2);
}
