//! What a waiting worker runs, and what it does not.

mod watchdog;

use std::{
    sync::{
        Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    thread,
    time::Duration,
};

use exec_core::JoinHandle;
use pool_workstealing::{ThreadPool, ThreadPoolBuilder, WaitPolicy, join, join_context, scope};
use watchdog::watched;

fn halves(items: &[usize], f: &(impl Fn(usize) + Sync)) {
    match items {
        [] => {}
        [item] => f(*item),
        _ => {
            let (left, right) = items.split_at(items.len() / 2);
            join(|| halves(left, f), || halves(right, f));
        }
    }
}

/// The program of rayon's issue 592: each item of a parallel loop takes one lock and runs a
/// nested parallel loop under it. A worker that ran another item while it waits for its nested
/// loop would wait for itself.
fn a_lock_over_a_nested_loop(pool: &ThreadPool) {
    let outer: Vec<usize> = (0..16).collect();
    let inner: Vec<usize> = (0..32).collect();
    let (lock, ran) = (Mutex::new(()), AtomicUsize::new(0));
    pool.install(|| {
        halves(&outer, &|_| {
            let _held = lock.lock().expect("nobody panics");
            halves(&inner, &|n| {
                for _ in 0..n % 7 {
                    std::hint::spin_loop();
                }
                ran.fetch_add(1, Relaxed);
            });
        });
    });
    assert_eq!(ran.load(Relaxed), 16 * 32);
}

/// The same over scopes.
fn a_lock_over_a_nested_scope(pool: &ThreadPool) {
    let (lock, ran) = (Mutex::new(()), AtomicUsize::new(0));
    pool.scope(|s| {
        for _ in 0..8 {
            s.spawn(|_| {
                let _held = lock.lock().expect("nobody panics");
                scope(|s| {
                    for _ in 0..8 {
                        s.spawn(|_| {
                            ran.fetch_add(1, Relaxed);
                        });
                    }
                });
            });
        }
    });
    assert_eq!(ran.load(Relaxed), 64);
}

fn rayon_592(threads: usize) {
    watched(60, move || {
        let pool = ThreadPool::new(threads).expect("a pool");
        for _ in 0..100 {
            a_lock_over_a_nested_loop(&pool);
            a_lock_over_a_nested_scope(&pool);
        }
    });
}

#[test]
fn a_lock_over_a_nested_loop_ends_with_1_thread() {
    rayon_592(1);
}

#[test]
fn a_lock_over_a_nested_loop_ends_with_2_threads() {
    rayon_592(2);
}

#[test]
fn a_lock_over_a_nested_loop_ends_with_8_threads() {
    rayon_592(8);
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

#[test]
fn every_policy_computes_the_same() {
    watched(30, || {
        for policy in [WaitPolicy::OwnSubtree, WaitPolicy::Any, WaitPolicy::Park] {
            for threads in [1, 2, 5] {
                let pool = ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .wait_policy(policy)
                    .build()
                    .expect("a pool");
                assert_eq!(pool.install(|| fib(21)), 10_946, "{policy:?}, {threads}");
            }
        }
    });
}

/// What a worker exposed before it went into a long leaf is taken by another, and so is what
/// that one exposes: two workers end the work beside the leaf while the leaf still runs.
#[test]
fn exposed_work_is_taken_during_a_long_leaf() {
    watched(30, || {
        let pool = ThreadPool::new(2).expect("a pool");
        let others = AtomicUsize::new(0);
        pool.install(|| {
            join(
                // The leaf ends only when the other half has been run: by another worker, then.
                || {
                    while others.load(SeqCst) < 64 {
                        thread::yield_now();
                    }
                },
                || {
                    halves(&(0..64).collect::<Vec<_>>(), &|_| {
                        others.fetch_add(1, SeqCst);
                    });
                },
            )
        });
    });
}

/// Waits until every worker sleeps.
fn come_to_rest(pool: &ThreadPool) {
    pool.broadcast(|_| ());
    let looks = || {
        let stats = pool.worker_stats();
        stats.iter().map(|s| s.failed_steals).sum::<u64>()
    };
    loop {
        let before = looks();
        thread::sleep(Duration::from_millis(20));
        if looks() == before {
            break;
        }
    }
}

/// The bound: with every other worker idle at the last join, everything that was forked before
/// the leaf is exposed, as long as there are idle workers to take it.
#[test]
fn idle_workers_get_a_job_each_before_a_leaf() {
    watched(30, || {
        let pool = ThreadPool::new(4).expect("a pool");
        come_to_rest(&pool);
        let started = AtomicUsize::new(0);
        let all = AtomicBool::new(false);
        let wait = || {
            if started.fetch_add(1, SeqCst) == 3 {
                all.store(true, SeqCst);
            }
            while !all.load(SeqCst) {
                thread::yield_now();
            }
        };
        // Four leaves that wait for each other: none may be stuck behind another.
        pool.install(|| join(|| join(wait, wait), || join(wait, wait)));
        assert_eq!(started.load(SeqCst), 4);
    });
}

/// Forks `left` halves one in the other, and stays in the innermost first half until all of the
/// second ones have been run.
fn a_long_leaf_below(left: usize, all: usize, ran: &AtomicUsize) {
    if left == 0 {
        while ran.load(SeqCst) < all {
            thread::yield_now();
        }
        return;
    }
    join_context(
        |_| a_long_leaf_below(left - 1, all, ran),
        |_| {
            ran.fetch_add(1, SeqCst);
        },
    );
}

/// What `join_context` forks first, as rayon's iterators do before they begin with their leaves,
/// is exposed at once, whether or not somebody is idle: none of it is stuck behind a leaf.
#[test]
fn what_iterators_fork_first_is_never_stuck() {
    watched(60, || {
        for (threads, halves) in [(2, 3), (4, 4), (8, 5)] {
            let pool = ThreadPool::new(threads).expect("a pool");
            for _ in 0..50 {
                let ran = AtomicUsize::new(0);
                pool.install(|| a_long_leaf_below(halves, halves, &ran));
            }
        }
    });
}

#[test]
fn jobs_that_join_each_other_get_their_handles_back_in_time() {
    watched(30, || {
        let pool = ThreadPool::new(2).expect("a pool");
        let (sent, [to_a, to_b]) = (mpsc::channel(), [mpsc::channel(), mpsc::channel()]);
        let job = |other: mpsc::Receiver<JoinHandle<()>>| {
            let back = sent.0.clone();
            pool.spawn_with_handle(move || {
                let other = other.recv().expect("the test sends it");
                let waited = other.join_timeout(Duration::from_millis(20));
                back.send(waited.err()).expect("the test listens");
            })
        };
        let (a, b) = (job(to_a.1), job(to_b.1));
        to_a.0.send(b).expect("a listens");
        to_b.0.send(a).expect("b listens");
        // The one whose time is up first ends, and the other may have met its end.
        let back: Vec<_> = sent.1.iter().take(2).flatten().collect();
        assert!(!back.is_empty());
        for handle in back {
            handle.join().expect("it ends now");
        }
        assert_eq!(pool.install(|| 6 * 7), 42);
    });
}

#[test]
fn two_pools_install_into_each_other() {
    watched(30, || {
        let (a, b) = (
            ThreadPool::new(1).expect("a"),
            ThreadPool::new(1).expect("b"),
        );
        assert_eq!(a.install(|| b.install(|| a.install(|| 3))), 3);
    });
}
