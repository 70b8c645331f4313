//! `block_on` as a guest: it may run a poll of what was spawned just before, as a worker would.

mod watched;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use mini_executor::{JoinError, Runtime, Shutdown, Spawner, yield_now};
use watched::watched;

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().expect("builds")
}

#[test]
fn what_a_guest_spawns_is_run_by_the_workers() {
    watched(|| {
        for workers in [1, 2] {
            let runtime = runtime(workers);
            for round in 0..50 {
                let task = runtime.spawn(async move {
                    let spawner: Spawner = Spawner::current().expect("inside");
                    let tasks: Vec<_> = (0..1000)
                        .map(|n| {
                            spawner.spawn(async move {
                                yield_now().await;
                                n
                            })
                        })
                        .collect();
                    let mut sum = 0;
                    for task in tasks {
                        sum += task.await.expect("returns");
                    }
                    sum + round
                });
                assert_eq!(runtime.block_on(task).expect("returns"), 499_500 + round);
            }
        }
    });
}

#[test]
fn a_guest_that_blocks_in_a_join_hands_its_tasks_over() {
    watched(|| {
        for _ in 0..100 {
            let runtime = runtime(1);
            let task = runtime.spawn(async {
                let spawner: Spawner = Spawner::current().expect("inside");
                let inner = spawner.spawn(async {
                    yield_now().await;
                    4
                });
                inner.join().expect("a worker ran it")
            });
            assert_eq!(runtime.block_on(task).expect("returns"), 4);
        }
    });
}

#[test]
fn a_guest_that_joins_itself_is_refused() {
    watched(|| {
        let runtime = runtime(1);
        let answer = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let (give, take) = std::sync::mpsc::channel::<exec_core::JoinHandle<()>>();
            let answer = answer.clone();
            let own = runtime.spawn(async move {
                if let Ok(own) = take.recv()
                    && matches!(own.join(), Err(JoinError::WouldDeadlock))
                {
                    answer.fetch_add(1, SeqCst);
                }
            });
            give.send(own).expect("the task waits for it");
            runtime.block_on(runtime.spawn(async {})).expect("returns");
        }
        let _ = runtime.shutdown(Shutdown::Drain);
        assert_eq!(answer.load(SeqCst), 50);
    });
}

#[test]
fn a_guest_sleeps_by_the_timers_of_a_worker() {
    watched(|| {
        let runtime = runtime(2);
        for _ in 0..20 {
            let spawner = runtime.spawner();
            let task = runtime.spawn(async move {
                spawner.sleep(Duration::from_millis(1)).await;
            });
            runtime.block_on(task).expect("returns");
        }
    });
}

#[test]
fn a_drop_after_a_guest_cancels_what_it_spawned() {
    watched(|| {
        for _ in 0..100 {
            let runtime = runtime(2);
            let task = runtime.spawn(async {
                let spawner: Spawner = Spawner::current().expect("inside");
                Some(spawner.spawn(pending::<()>()))
            });
            let waiting = runtime.block_on(task).expect("returns").expect("spawned");
            drop(runtime);
            assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
        }
    });
}
