//! Scopes: what is spawned in them has ended when they return, wherever it ran.

mod watchdog;

use std::sync::{
    Arc, Mutex,
    atomic::{
        AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    mpsc,
};

use exec_core::Shutdown;
use pool_workstealing::{Scope, ThreadPool, ThreadPoolBuilder, WaitPolicy};
use watchdog::watched;

fn pool(threads: usize) -> ThreadPool {
    ThreadPool::new(threads).expect("a pool")
}

#[test]
fn every_job_has_run_when_the_scope_returns() {
    watched(60, || {
        for policy in [WaitPolicy::OwnSubtree, WaitPolicy::Any, WaitPolicy::Park] {
            for threads in [1, 2, 4] {
                let pool = ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .wait_policy(policy)
                    .build()
                    .expect("a pool");
                for jobs in [0, 1, 127, 128, 129, 1_000] {
                    let ran = AtomicUsize::new(0);
                    pool.scope(|s| {
                        for _ in 0..jobs {
                            s.spawn(|_| {
                                ran.fetch_add(1, Relaxed);
                            });
                        }
                    });
                    assert_eq!(ran.load(Relaxed), jobs, "{policy:?}, {threads} threads");
                }
            }
        }
    });
}

/// Each job spawns two more, on whatever worker it is.
fn tree<'scope>(s: &Scope<'scope>, depth: u32, ran: &'scope AtomicUsize) {
    ran.fetch_add(1, Relaxed);
    if depth != 0 {
        s.spawn(move |s| tree(s, depth - 1, ran));
        s.spawn(move |s| tree(s, depth - 1, ran));
    }
}

#[test]
fn jobs_spawn_jobs_on_every_worker() {
    watched(60, || {
        for threads in [1, 2, 4] {
            let pool = pool(threads);
            for _ in 0..50 {
                let ran = AtomicUsize::new(0);
                pool.scope(|s| tree(s, 9, &ran));
                assert_eq!(ran.load(Relaxed), 1_023);
                ran.store(0, Relaxed);
                pool.in_place_scope(|s| tree(s, 6, &ran));
                assert_eq!(ran.load(Relaxed), 127, "in place");
            }
        }
    });
}

/// A scope within a job of a scope, which spawns into both.
#[test]
fn an_inner_scope_spawns_into_the_outer_one() {
    watched(60, || {
        for threads in [1, 2, 4] {
            let pool = pool(threads);
            let (inner, outer) = (AtomicUsize::new(0), AtomicUsize::new(0));
            for _ in 0..50 {
                pool.scope(|out| {
                    for _ in 0..8 {
                        out.spawn(|out| {
                            let here = AtomicUsize::new(0);
                            pool_workstealing::scope(|s| {
                                for _ in 0..8 {
                                    s.spawn(|_| {
                                        here.fetch_add(1, Relaxed);
                                    });
                                    out.spawn(|_| {
                                        outer.fetch_add(1, Relaxed);
                                    });
                                }
                            });
                            inner.fetch_add(here.load(Relaxed), Relaxed);
                        });
                    }
                });
            }
            let ran = (inner.load(Relaxed), outer.load(Relaxed));
            assert_eq!(ran, (50 * 64, 50 * 64));
        }
    });
}

/// The owner has nothing left to run and sleeps; the thief that ends the last job wakes it.
#[test]
fn a_thief_that_ends_the_last_job_wakes_the_owner() {
    watched(60, || {
        let pool = pool(2);
        for _ in 0..20 {
            let (taken, take) = mpsc::channel();
            pool.install(move || {
                let owner = pool_workstealing::current_thread_index();
                pool_workstealing::scope(move |s| {
                    s.spawn(move |_| {
                        assert_ne!(pool_workstealing::current_thread_index(), owner);
                        taken.send(()).expect("the owner waits");

                        // Long enough for the owner to stop spinning, most of the time.
                        for _ in 0..200 {
                            std::thread::yield_now();
                        }
                    });
                    take.recv().expect("the other worker takes the job");
                });
            });
        }
    });
}

/// A stop drops what is queued; a job of a scope borrows, and its owner waits for it, so the
/// owner runs it.
#[test]
fn a_stop_leaves_a_scope_whole() {
    watched(30, || {
        let pool = Arc::new(pool(2));
        let (open, gate) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel();
        pool.spawn(move || {
            begun.send(()).expect("the test waits");
            let _ = gate.recv();
        });
        begin.recv().expect("one worker is held");
        let own = pool.clone();
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = ran.clone();
        pool.install(move || {
            pool_workstealing::scope(|s| {
                for _ in 0..300 {
                    s.spawn(|_| {
                        counted.fetch_add(1, SeqCst);
                    });
                }
                let _ = own.shutdown(Shutdown::Now);
                assert_eq!(counted.load(SeqCst), 0, "nobody was free to run them");
            });
            assert_eq!(counted.load(SeqCst), 300);
        });
        assert_eq!(ran.load(SeqCst), 300);
        drop(open);
        pool.wait_until_stopped();
    });
}

/// What one worker alone runs, in its order.
fn order_of(spawn: impl FnOnce(&ThreadPool, &Mutex<Vec<usize>>)) -> Vec<usize> {
    let ran = Mutex::new(Vec::new());
    spawn(&pool(1), &ran);
    ran.into_inner().expect("no job panics")
}

#[test]
fn a_scope_runs_the_newest_first_and_a_fifo_scope_the_oldest() {
    watched(30, || {
        let newest = order_of(|pool, ran| {
            pool.scope(|s| {
                for n in 0..5 {
                    s.spawn(move |_| ran.lock().expect("no panic").push(n));
                }
            });
        });
        assert_eq!(newest, [4, 3, 2, 1, 0]);
        let oldest = order_of(|pool, ran| {
            pool.scope_fifo(|s| {
                for n in 0..5 {
                    s.spawn_fifo(move |_| ran.lock().expect("no panic").push(n));
                }
            });
        });
        assert_eq!(oldest, [0, 1, 2, 3, 4]);
    });
}

/// Large captures are boxed; what they own is dropped once, with the job.
#[test]
fn captures_of_any_size_are_dropped_once() {
    watched(30, || {
        let held = Arc::new(());
        let pool = pool(2);
        pool.scope(|s| {
            for _ in 0..100 {
                let (small, large) = (held.clone(), (held.clone(), [0_u8; 200]));
                s.spawn(move |_| drop(small));
                s.spawn(move |_| drop(large));
            }
        });
        assert_eq!(Arc::strong_count(&held), 1);
    });
}
