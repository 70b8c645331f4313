//! A runtime without threads: who blocks drives it.

mod watched;

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use exec_core::unwind;
use mini_executor::{JoinError, Runtime, Shutdown, Spawner, yield_now};
use watched::watched;

fn runtime() -> Runtime {
    Runtime::current_thread().expect("builds")
}

#[test]
fn tasks_run_on_the_thread_that_blocks() {
    watched(|| {
        let runtime = runtime();
        let here = thread::current().id();
        let sum = runtime.block_on(async {
            let tasks: Vec<_> = (0..1000)
                .map(|n| {
                    runtime.spawn(async move {
                        yield_now().await;
                        assert_eq!(thread::current().id(), here);
                        n
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("returns");
            }
            sum
        });
        assert_eq!(sum, 499_500);
        assert_eq!(runtime.stats().threads, 0, "no thread was started");
    });
}

#[test]
fn nothing_runs_between_two_block_ons() {
    watched(|| {
        let runtime = runtime();
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let task = runtime.spawn(async move {
            counted.fetch_add(1, SeqCst);
        });
        assert_eq!(polls.load(SeqCst), 0);
        runtime.block_on(async {});
        runtime.block_on(task).expect("returns");
        assert_eq!(polls.load(SeqCst), 1);
    });
}

#[test]
fn timers_closures_and_wakes_from_outside_reach_the_driver() {
    watched(|| {
        let runtime = runtime();
        runtime.block_on(async {
            runtime.sleep(Duration::from_millis(1)).await;
            assert_eq!(runtime.unblock(|| 5).await.expect("runs"), 5);
            let spawner = runtime.spawner();
            let outside = thread::spawn(move || spawner.spawn(async { 6 }));
            let task = runtime
                .unblock(move || outside.join().expect("spawned"))
                .await
                .expect("runs");
            assert_eq!(task.await.expect("ran here"), 6);
        });
    });
}

#[test]
fn the_second_block_on_takes_over_when_the_first_leaves() {
    watched(|| {
        for _ in 0..50 {
            let runtime = Arc::new(runtime());
            let (leave, left) = mpsc::channel::<()>();
            let first = {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    let inner = runtime.clone();
                    runtime.block_on(async move {
                        let _ = inner.unblock(move || left.recv()).await;
                    });
                })
            };
            let second = {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    let tasks: Vec<_> = (0..10)
                        .map(|n| {
                            let spawner = runtime.spawner();
                            runtime.spawn(async move {
                                spawner.sleep(Duration::from_micros(200)).await;
                                n
                            })
                        })
                        .collect();
                    runtime.block_on(async {
                        for (n, task) in tasks.into_iter().enumerate() {
                            assert_eq!(task.await.expect("returns"), n);
                        }
                    });
                })
            };
            drop(leave);
            first.join().expect("first");
            second.join().expect("second");
        }
    });
}

#[test]
fn a_drop_runs_what_can_go_on_and_cancels_what_waits() {
    watched(|| {
        let runtime = runtime();
        let going = runtime.spawn(async {
            for _ in 0..100 {
                yield_now().await;
            }
            1
        });
        let waiting = runtime.spawn(pending::<()>());
        drop(runtime);
        assert_eq!(going.join().expect("ran to its end"), 1);
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn each_shutdown_ends_it() {
    watched(|| {
        for how in [
            Shutdown::Drain,
            Shutdown::Deadline(Duration::from_secs(20)),
            Shutdown::Now,
        ] {
            let runtime = runtime();
            let spawner = runtime.spawner();
            let task = runtime.spawn(async move {
                spawner.sleep(Duration::from_millis(2)).await;
                3
            });
            let report = runtime.shutdown(how);
            if how == Shutdown::Now {
                assert_eq!(report.cancelled, 1, "{report}");
                assert!(matches!(task.join(), Err(JoinError::Cancelled)));
            } else {
                assert!(report.is_clean(), "{report}");
                assert_eq!(task.join().expect("drained"), 3);
            }
            assert!(matches!(
                runtime.spawn(async {}).join(),
                Err(JoinError::Rejected(_))
            ));
            // What is driven is no task: it goes on without the runtime.
            assert_eq!(runtime.block_on(async { 4 }), 4);
        }
    });
}

#[test]
fn a_deadline_cancels_what_waits_longer() {
    watched(|| {
        let runtime = runtime();
        let waiting = runtime.spawn(pending::<()>());
        let report = runtime.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert_eq!((report.cancelled, report.leaked), (1, 0), "{report}");
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_shutdown_from_another_thread_ends_what_this_one_drives() {
    watched(|| {
        let runtime = Arc::new(runtime());
        let inner = runtime.clone();
        let waiting = runtime.spawn(pending::<()>());
        let ended = runtime.block_on(async {
            let ender = inner.clone();
            let ender = thread::spawn(move || ender.shutdown(Shutdown::Now));
            let ended = waiting.await;
            let report = ender.join().expect("returns");
            assert_eq!(report.cancelled, 1, "{report}");
            ended
        });
        assert!(matches!(ended, Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_blocking_join_inside_runs_the_tasks() {
    watched(|| {
        let runtime = runtime();
        let answer = runtime.block_on(async {
            let task = runtime.spawn(async {
                yield_now().await;
                Spawner::current().is_some_and(|_: Spawner| true)
            });
            task.join().expect("driven by the join")
        });
        assert!(answer);
    });
}

#[test]
fn a_panic_of_the_driven_future_leaves_the_runtime_intact() {
    watched(|| {
        let runtime = runtime();
        let task = runtime.spawn(async { 7 });
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async { panic!("the driven one") })
        }));
        let payload = caught.expect_err("panics");
        assert_eq!(unwind::message(&payload), Some("the driven one"));
        assert_eq!(runtime.block_on(task).expect("its task lives"), 7);
    });
}

#[test]
fn block_on_inside_is_refused_and_names_both() {
    watched(|| {
        let runtime = runtime();
        let caught = runtime
            .block_on(async { catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {}))) });
        let payload = caught.expect_err("panics");
        let text = unwind::message(&payload).expect("a text");
        assert_eq!(text.matches("`mini`").count(), 2, "{text}");
        assert_eq!(runtime.block_on(async { 2 }), 2);
    });
}

#[test]
fn a_driven_future_that_is_always_ready_does_not_starve_the_tasks() {
    watched(|| {
        let runtime = runtime();
        let task = runtime.spawn(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        runtime.block_on(poll_fn(|cx| {
            if task.is_finished() {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
    });
}
