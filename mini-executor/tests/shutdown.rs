//! The ways to end a runtime, and what they report.

mod watched;

use std::{
    future::pending,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use mini_executor::{JoinError, Runtime, Shutdown, yield_now};
use watched::watched;

fn two_workers() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

#[test]
fn drain_waits_for_sleepers() {
    watched(|| {
        let handle = two_workers().into_handle();
        let sleeper = handle.clone();
        let task = handle.spawn_async(async move {
            sleeper.sleep(Duration::from_millis(5)).await;
            7
        });
        let report = handle.shutdown(Shutdown::Drain);
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.finished, 1, "{report}");
        assert_eq!(task.join().expect("slept"), 7);
    });
}

#[test]
fn a_task_that_never_ends_is_reported() {
    watched(|| {
        let runtime = two_workers();
        let (hold, held) = mpsc::channel::<()>();
        let (holding, is_held) = mpsc::channel();
        let endless = runtime.spawn(async move {
            let _ = holding.send(());
            let _ = held.recv();
        });
        let waiting = runtime.spawn(pending::<()>());
        is_held.recv().expect("held");
        let begin = Instant::now();
        let report = runtime.shutdown(Shutdown::Deadline(Duration::from_millis(20)));
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert_eq!((report.leaked, report.cancelled), (1, 1), "{report}");
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
        drop(hold);
        endless.join().expect("what ran was not killed");
    });
}

#[test]
fn a_self_waking_task_is_ended_by_now() {
    watched(|| {
        let runtime = two_workers();
        let spinner = runtime.spawn(async {
            loop {
                yield_now().await;
            }
        });
        let _ = runtime.shutdown(Shutdown::Now);
        assert!(matches!(spinner.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn from_one_of_its_workers_it_only_begins() {
    watched(|| {
        let runtime = Arc::new(two_workers());
        let inner = runtime.clone();
        let (done, ended) = mpsc::channel();
        runtime
            .spawn(async move {
                let report = inner.shutdown(Shutdown::Drain);
                drop(inner);
                let _ = done.send(report.leaked);
            })
            .detach();
        assert_eq!(ended.recv().expect("the task went on"), 1, "itself");
        assert!(runtime.shutdown(Shutdown::Drain).is_clean());
    });
}

#[test]
fn the_tasks_of_a_task_that_is_drained_are_refused() {
    watched(|| {
        let runtime = Arc::new(two_workers());
        let inner = runtime.clone();
        let (start, started) = mpsc::channel::<()>();
        let task = runtime.spawn(async move {
            let _ = started.recv();
            inner.spawn(async { 1 }).await
        });
        let ender = {
            let runtime = runtime.clone();
            std::thread::spawn(move || runtime.shutdown(Shutdown::Drain))
        };
        while runtime.spawn(async {}).join().is_ok() {
            std::thread::yield_now();
        }
        start.send(()).expect("the task waits");
        assert!(matches!(
            task.join().expect("drained"),
            Err(JoinError::Rejected(_))
        ));
        assert!(ender.join().expect("returns").is_clean());
    });
}

#[test]
fn a_future_that_comes_too_late_is_handed_back() {
    watched(|| {
        let runtime = two_workers();
        let early = runtime.try_spawn(async { 1 }).expect("taken");
        assert!(runtime.shutdown(Shutdown::Drain).is_clean());
        assert_eq!(early.join().expect("drained"), 1);
        let late = runtime.try_spawn(async { 2 }).expect_err("too late");
        assert_eq!(late.reason, exec_core::Reason::ShutDown);
        // It was not polled, and runs elsewhere.
        let elsewhere = two_workers();
        let task = elsewhere.spawn(late.into_job());
        assert_eq!(task.join().expect("ends"), 2);
    });
}
