//! The deterministic mode: a seed is a run.

mod watched;

use std::{
    collections::HashSet,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use exec_core::unwind;
use mini_executor::{JoinError, Runtime, Shutdown, explore, yield_now};
use watched::watched;

fn seeded(seed: u64) -> Runtime {
    Runtime::builder().seeded(seed).build().expect("builds")
}

/// A run with spawns, yields, timers, joins and closures: who did what, in order.
fn run(seed: u64) -> (Vec<(usize, usize)>, u64) {
    let runtime = seeded(seed);
    let log: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..6)
            .map(|task| {
                let (log, spawner) = (log.clone(), runtime.spawner());
                runtime.spawn(async move {
                    for step in 0..5 {
                        log.lock().unwrap().push((task, step));
                        match step {
                            0 => yield_now().await,
                            1 => spawner.sleep(Duration::from_millis(task as u64 % 3)).await,
                            2 => spawner.unblock(|| ()).await.expect("runs"),
                            _ => {
                                let log = log.clone();
                                spawner
                                    .spawn(async move { log.lock().unwrap().push((task, 10)) })
                                    .await
                                    .expect("ends");
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("ends");
        }
    });
    let trail = runtime.trail().expect("it has a seed");
    let log = log.lock().unwrap().clone();
    (log, trail)
}

#[test]
fn a_seed_is_one_run_and_another_seed_another() {
    watched(|| {
        let mut runs = HashSet::new();
        for seed in 0..50 {
            let (log, trail) = run(seed);
            assert_eq!(log.len(), 6 * 5 + 6 * 2);
            // Again, on another thread, with other things at other addresses.
            let again = std::thread::spawn(move || {
                let _elsewhere = vec![0_u8; 100_000 * (seed as usize + 1)];
                run(seed)
            });
            let again = again.join().expect("runs");
            assert_eq!((&again.0, again.1), (&log, trail));
            runs.insert(log);
        }
        assert!(runs.len() > 45, "only {} ways to go", runs.len());
    });
}

/// Two tasks add to a number, with a gap between the look and the write.
fn planted_race(runtime: &Runtime) {
    let number = Arc::new(AtomicUsize::new(0));
    let adders: Vec<_> = (0..2)
        .map(|_| {
            let number = number.clone();
            runtime.spawn(async move {
                // Rarely in step: each takes its time before.
                for _ in 0..4 {
                    yield_now().await;
                }
                let seen = number.load(SeqCst);
                yield_now().await;
                number.store(seen + 1, SeqCst);
            })
        })
        .collect();
    runtime.block_on(async {
        for adder in adders {
            adder.await.expect("ends");
        }
    });
    assert_eq!(number.load(SeqCst), 2, "an addition was lost");
}

#[test]
fn a_planted_race_is_found_printed_and_replayed() {
    if std::env::var_os("PLANT").is_some() {
        // The child: finds it, and fails.
        return explore(0..1_000, planted_race);
    }
    watched(|| {
        let child = |seed: Option<&str>| {
            let mut command = Command::new(std::env::current_exe().expect("known"));
            command
                .args([
                    "--exact",
                    "a_planted_race_is_found_printed_and_replayed",
                    "--nocapture",
                ])
                .env("PLANT", "1")
                .env_remove("MINI_EXECUTOR_SEED");
            if let Some(seed) = seed {
                command.env("MINI_EXECUTOR_SEED", seed);
            }
            let output = command.output().expect("runs");
            assert!(!output.status.success(), "the race was not found");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains("an addition was lost"), "{text}");
            let (_, seed) = text.split_once("MINI_EXECUTOR_SEED=").expect("printed");
            seed.split_whitespace().next().expect("a number").to_owned()
        };
        let seed = child(None);
        assert_eq!(child(Some(&seed)), seed);
        // Not every order shows it.
        let shown = (0..100).filter(|&seed| catch_unwind(|| planted_race(&seeded(seed))).is_err());
        let shown = shown.count();
        assert!((1..100).contains(&shown), "shown by {shown} of 100 seeds");
    });
}

#[test]
fn time_is_a_number() {
    watched(|| {
        let begin = Instant::now();
        let runtime = seeded(7);
        let spawner = runtime.spawner();
        let waited = runtime.block_on(async {
            let start = spawner.now();
            let long = runtime.sleep(Duration::from_secs(86_400));
            let timed = runtime
                .timeout(Duration::from_secs(60), pending::<()>())
                .await;
            assert!(timed.is_err());
            assert!(spawner.now().saturating_since(start) >= Duration::from_secs(60));
            assert!(spawner.now().saturating_since(start) < Duration::from_secs(61));
            long.await;
            spawner.now().saturating_since(start)
        });
        assert!(waited >= Duration::from_secs(86_400));
        assert!(begin.elapsed() < Duration::from_secs(3_600));
    });
}

#[test]
fn a_deadlock_is_told() {
    watched(|| {
        let runtime = seeded(3);
        let task = runtime.spawn(pending::<()>());
        let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(task)));
        let payload = caught.expect_err("nothing wakes it");
        let text = unwind::message(&payload).expect("a text");
        assert!(
            text.starts_with("deadlock") && text.contains("seed 3"),
            "{text}"
        );
        assert_eq!(
            runtime.block_on(async { 1 }),
            1,
            "and the runtime is intact"
        );
    });
}

#[test]
fn two_tasks_that_join_each_other_are_a_deadlock() {
    watched(|| {
        explore(0..50, |runtime| {
            let (a_to, a) = std::sync::mpsc::channel::<mini_executor::JoinHandle<()>>();
            let (b_to, b) = std::sync::mpsc::channel::<mini_executor::JoinHandle<()>>();
            let joins = |other: std::sync::mpsc::Receiver<mini_executor::JoinHandle<()>>| async move {
                let _ = other.recv().expect("sent before it runs").await;
            };
            let first = runtime.spawn(joins(b));
            let second = runtime.spawn(joins(a));
            a_to.send(first).expect("waits");
            b_to.send(second).expect("waits");
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(pending::<()>());
            }));
            assert!(caught.is_err());
        });
    });
}

#[test]
fn blocking_joins_run_turns() {
    watched(|| {
        explore(0..50, |runtime| {
            let spawner = runtime.spawner();
            let task = runtime.spawn(async move {
                let sleeper = spawner.clone();
                let inner = spawner.spawn(async move {
                    sleeper.sleep(Duration::from_secs(5)).await;
                    4
                });
                inner.join().expect("played by the join")
            });
            assert_eq!(runtime.block_on(task).expect("ends"), 4);
        });
    });
}

#[test]
fn each_end_is_played_too() {
    watched(|| {
        explore(0..30, |runtime| {
            let spawner = runtime.spawner();
            let sleeps = runtime.spawn(async move {
                spawner.sleep(Duration::from_secs(3_600)).await;
                5
            });
            assert!(runtime.shutdown(Shutdown::Drain).is_clean());
            assert_eq!(runtime.block_on(sleeps).expect("drained"), 5);
        });
        explore(0..30, |runtime| {
            let waits = runtime.spawn(pending::<()>());
            let report = runtime.shutdown(Shutdown::Deadline(Duration::from_secs(1)));
            assert_eq!(report.cancelled, 1, "{report}");
            let joined = runtime.block_on(waits);
            assert!(matches!(joined, Err(JoinError::Cancelled)));
        });
        for seed in 0..30 {
            let runtime = seeded(seed);
            let waits = runtime.spawn(pending::<()>());
            let goes = runtime.spawn(async {
                yield_now().await;
                6
            });
            drop(runtime);
            assert!(matches!(waits.join(), Err(JoinError::Cancelled)));
            assert_eq!(goes.join().expect("ran"), 6);
        }
    });
}

#[test]
fn local_tasks_are_played_too() {
    watched(|| {
        explore(0..30, |runtime| {
            let set = runtime.local_set();
            let spawner = runtime.spawner();
            let seen = std::rc::Rc::new(std::cell::Cell::new(0));
            for n in 1..=3 {
                let (seen, spawner) = (seen.clone(), spawner.clone());
                set.spawn_local(async move {
                    spawner.sleep(Duration::from_secs(n)).await;
                    seen.set(seen.get() * 10 + n);
                })
                .detach();
            }
            runtime.block_on(set.until_empty());
            assert_eq!(seen.get(), 123);
        });
    });
}
