//! Sleeping and waking under load: nothing is lost, nothing is burnt.

mod watchdog;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use pool_workstealing::{FnContext, ThreadPool, join_context};
use watchdog::watched;

/// Submit a thousand, wait for all, repeat: a lost wake-up hangs it.
#[test]
fn submit_a_thousand_wait_repeat() {
    const ROUNDS: usize = 10_000;
    const JOBS: usize = 1_000;
    watched(120, || {
        let pool = ThreadPool::new(2).expect("a pool");
        let ran = Arc::new(AtomicUsize::new(0));
        for round in 1..=ROUNDS {
            let waiter = thread::current();
            for _ in 0..JOBS {
                let (ran, waiter) = (ran.clone(), waiter.clone());
                pool.spawn(move || {
                    if ran.fetch_add(1, SeqCst) + 1 == round * JOBS {
                        waiter.unpark();
                    }
                });
            }
            while ran.load(SeqCst) != round * JOBS {
                thread::park();
            }
        }
    });
}

/// A thread outside spins for its job while that forks, and the first half waits for the other
/// worker: a fork that is left to the spinning thread and then forgotten hangs it.
#[test]
fn a_fork_beside_a_waiting_thread_is_shared() {
    watched(60, || {
        let pool = ThreadPool::new(2).expect("a pool");
        for _ in 0..3_000 {
            let begun = AtomicUsize::new(0);
            let second = pool.install(|| {
                let first = |_| {
                    while begun.load(SeqCst) == 0 {
                        thread::yield_now();
                    }
                };
                let second = |told: FnContext| {
                    begun.store(1, SeqCst);
                    told.migrated()
                };
                join_context(first, second).1
            });
            assert!(second, "the other worker ran it");
        }
    });
}

/// One job at a time, with the workers asleep or about to be.
#[test]
fn one_at_a_time() {
    watched(60, || {
        let pool = ThreadPool::new(3).expect("a pool");
        for n in 0..5_000_u32 {
            assert_eq!(pool.install(|| n), n);
            for _ in 0..n % 300 {
                std::hint::spin_loop();
            }
        }
    });
}

/// A worker that is idle sleeps: the counters stand still.
#[test]
fn idle_workers_sleep() {
    watched(30, || {
        let pool = ThreadPool::new(2).expect("a pool");
        pool.broadcast(|_| ());
        let polls = || {
            let stats = pool.worker_stats();
            stats.iter().map(|s| s.polls + s.failed_steals).sum::<u64>()
        };
        // They come to rest some time, and then stay there.
        loop {
            let before = polls();
            thread::sleep(Duration::from_millis(20));
            if polls() == before {
                break;
            }
        }
        let before = polls();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(polls(), before, "an idle pool looked for work");
    });
}
