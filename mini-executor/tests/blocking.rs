//! Closures that block: bounded threads, backpressure, and their part in a shutdown.

mod watched;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use exec_core::Reason;
use mini_executor::{JoinError, Runtime, Shutdown};
use watched::watched;

fn bounded(threads: usize, queued: usize) -> Runtime {
    Runtime::builder()
        .workers(1)
        .blocking(threads, queued)
        .build()
        .expect("builds")
}

#[test]
fn more_closures_than_threads_all_run() {
    watched(|| {
        let runtime = bounded(3, 2);
        let ran = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (ran, most) = (ran.clone(), most.clone());
                let spawner = runtime.spawner();
                runtime.spawn(async move {
                    spawner
                        .unblock(move || {
                            most.fetch_add(1, SeqCst);
                            std::thread::yield_now();
                            let together = most.fetch_sub(1, SeqCst);
                            ran.fetch_add(1, SeqCst);
                            together
                        })
                        .await
                })
            })
            .collect();
        for task in tasks {
            let together = task.join().expect("returns").expect("ran");
            assert!(together <= 3, "no more at once than there are threads");
        }
        assert_eq!(ran.load(SeqCst), 200);
    });
}

#[test]
fn a_full_pool_hands_the_closure_back() {
    watched(|| {
        let runtime = bounded(1, 1);
        let (hold, held) = mpsc::channel::<()>();
        let first = runtime
            .try_spawn_blocking(move || held.recv())
            .expect("a thread is free");
        let second = runtime
            .try_spawn_blocking(|| 2)
            .expect("the queue has room");
        let refused = runtime.try_spawn_blocking(|| 3).expect_err("no room");
        assert_eq!(refused.reason, Reason::Full);
        assert_eq!((refused.into_job())(), 3, "the closure came back");
        drop(hold);
        assert!(first.join().expect("returns").is_err());
        assert_eq!(second.join().expect("returns"), 2);
    });
}

#[test]
fn tasks_go_on_while_closures_block() {
    watched(|| {
        let runtime = bounded(2, 8);
        let (hold, held) = mpsc::channel::<()>();
        let blocked = runtime
            .try_spawn_blocking(move || held.recv())
            .expect("taken");
        for n in 0..100 {
            assert_eq!(runtime.spawn(async move { n }).join().expect("runs"), n);
        }
        drop(hold);
        assert!(blocked.join().expect("returns").is_err());
    });
}

#[test]
fn a_panic_reaches_the_joiner_and_the_thread_lives() {
    watched(|| {
        let runtime = bounded(1, 8);
        let task = runtime
            .try_spawn_blocking(|| panic!("on purpose"))
            .expect("taken");
        assert!(matches!(task.join(), Err(JoinError::Panicked(_))));
        let answer = runtime.block_on(runtime.unblock(|| 5));
        assert_eq!(answer.expect("the thread lives"), 5);
    });
}

#[test]
fn a_drain_waits_for_closures() {
    watched(|| {
        let runtime = bounded(1, 8);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let ran = ran.clone();
            runtime
                .try_spawn_blocking(move || {
                    std::thread::yield_now();
                    ran.fetch_add(1, SeqCst);
                })
                .expect("taken")
                .detach();
        }
        let report = runtime.shutdown(Shutdown::Drain);
        assert!(report.is_clean(), "{report}");
        assert_eq!(ran.load(SeqCst), 5);
    });
}

#[test]
fn a_closure_that_never_ends_is_reported_and_the_queued_ones_are_cancelled() {
    watched(|| {
        let runtime = bounded(1, 8);
        let (hold, held) = mpsc::channel::<()>();
        let endless = runtime
            .try_spawn_blocking(move || held.recv())
            .expect("taken");
        let queued = runtime.try_spawn_blocking(|| 1).expect("taken");
        let report = runtime.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert_eq!((report.leaked, report.cancelled), (1, 1), "{report}");
        assert!(matches!(queued.join(), Err(JoinError::Cancelled)));
        drop(hold);
        assert!(endless.join().expect("was not killed").is_err());
    });
}

#[test]
fn the_last_owner_may_be_a_closure_of_its_own() {
    watched(|| {
        let runtime = Arc::new(bounded(1, 8));
        let own = runtime.clone();
        let (start, started) = mpsc::channel::<()>();
        let (done, ended) = mpsc::channel();
        runtime
            .try_spawn_blocking(move || {
                let _ = started.recv();
                drop(own);
                let _ = done.send("went on");
            })
            .expect("taken")
            .detach();
        drop(runtime);
        start.send(()).expect("the closure waits");
        assert_eq!(ended.recv().expect("sent"), "went on");
    });
}
