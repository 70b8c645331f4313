//! The end of a pool: everything accepted runs, is handed back, or is reported cancelled.

mod watchdog;

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use exec_core::{Executor, JoinError, Reason, Shutdown};
use pool_basic::{Queue, ThreadPool};
use watchdog::watched;

/// A pool of one worker that is held up until the sender goes.
fn held_up() -> (ThreadPool, mpsc::Sender<()>) {
    let pool = ThreadPool::new(1).expect("one thread");
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    pool.execute(move || {
        let _ = tell.send(());
        let _ = wait.recv();
    })
    .expect("accepted");
    told.recv().expect("the job has begun");
    (pool, go)
}

#[test]
fn spawns_that_race_a_drain_run_or_come_back() {
    watched(|| {
        for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
            for _ in 0..50 {
                let pool = ThreadPool::builder()
                    .threads(2)
                    .queue(queue)
                    .build()
                    .expect("two threads");
                let (pool, ran) = (Arc::new(pool), Arc::new(AtomicUsize::new(0)));
                let start = Arc::new(Barrier::new(3));
                let spawners: Vec<_> = (0..2)
                    .map(|_| {
                        let (pool, ran, start) = (pool.clone(), ran.clone(), start.clone());
                        thread::spawn(move || {
                            start.wait();
                            let mut came_back = 0;
                            for _ in 0..200 {
                                let ran = ran.clone();
                                let spawned = pool.execute(move || {
                                    ran.fetch_add(1, SeqCst);
                                });
                                came_back += usize::from(spawned.is_err());
                            }
                            came_back
                        })
                    })
                    .collect();
                start.wait();
                let report = pool.shutdown();
                assert_eq!(report.leaked, 0);
                let came_back: usize = spawners.into_iter().map(|s| s.join().unwrap()).sum();
                let cancelled = pool.stats().cancelled as usize;
                assert_eq!(ran.load(SeqCst) + came_back + cancelled, 400);
            }
        }
    });
}

#[test]
fn a_job_that_spawns_during_a_drain_gets_its_job_back() {
    watched(|| {
        let (pool, go) = held_up();
        let pool = Arc::new(pool);
        let inner = pool.clone();
        let queued = pool.spawn(move || {
            let refused = inner.try_spawn(|| 5).map(|_| ()).expect_err("closed");
            assert_eq!(refused.reason, Reason::ShutDown);
            (refused.into_job())()
        });
        let drain = {
            let pool = pool.clone();
            thread::spawn(move || pool.shutdown())
        };
        // Closed when a spawn is refused; what it runs until then is of no matter.
        while pool.execute(|| ()).is_ok() {
            thread::yield_now();
        }
        drop(go);
        assert!(drain.join().expect("no panic").is_clean());
        assert_eq!(queued.join().expect("it was accepted"), 5);
    });
}

#[test]
fn two_shutdowns_at_once_and_a_third() {
    watched(|| {
        for _ in 0..50 {
            let pool = Arc::new(ThreadPool::new(2).expect("two threads"));
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..50 {
                let ran = ran.clone();
                pool.execute(move || {
                    ran.fetch_add(1, SeqCst);
                })
                .expect("accepted");
            }
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let (pool, ran) = (pool.clone(), ran.clone());
                    thread::spawn(move || {
                        assert!(pool.shutdown().is_clean());
                        assert_eq!(ran.load(SeqCst), 50);
                    })
                })
                .collect();
            assert!(pool.shutdown().is_clean());
            assert_eq!(ran.load(SeqCst), 50);
            others.into_iter().for_each(|o| o.join().expect("no panic"));
            assert_eq!(pool.shutdown().finished, 50);
        }
    });
}

#[test]
fn a_job_that_never_ends_is_left_behind_and_counted() {
    watched(|| {
        let (pool, go) = held_up();
        let queued = pool.spawn(|| 5);
        let begin = Instant::now();
        let left = pool
            .shutdown_timeout(Duration::from_millis(20))
            .expect_err("the job waits");
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert_eq!((left.n, left.cancelled), (1, 1));
        assert!(left.to_string().contains("1 jobs still run"), "{left}");
        assert!(matches!(queued.join(), Err(JoinError::Cancelled)));
        // The drop does not wait for what was given up: the job still waits for `go`.
        drop(pool);
        drop(go);
    });
}

#[test]
fn a_timeout_that_is_long_enough_is_a_drain() {
    watched(|| {
        let pool = ThreadPool::new(2).expect("two threads");
        let job = pool.spawn(|| 5);
        let report = pool
            .shutdown_timeout(Duration::from_secs(20))
            .expect("nothing runs for long");
        assert!(report.is_clean());
        assert_eq!(report.finished, 1);
        assert_eq!(job.join().expect("has run"), 5);
        assert!(
            pool.shutdown_timeout(Duration::ZERO).is_ok(),
            "once more, and nothing is left"
        );
    });
}

#[test]
fn now_cancels_what_is_queued() {
    watched(|| {
        let (pool, go) = held_up();
        let queued: Vec<_> = (0..10).map(|_| pool.spawn(|| ())).collect();
        let report = Executor::shutdown(&pool, Shutdown::Now);
        assert_eq!((report.cancelled, report.leaked), (10, 1), "{report}");
        for job in queued {
            assert!(matches!(job.join(), Err(JoinError::Cancelled)));
        }
        drop(go);
    });
}

#[test]
fn a_job_that_shuts_its_own_pool_down_does_not_wait_for_itself() {
    watched(|| {
        let pool = Arc::new(ThreadPool::new(1).expect("one thread"));
        let inner = pool.clone();
        let job = pool.spawn(move || inner.shutdown());
        let report = job.join().expect("returns");
        assert_eq!(report.leaked, 1, "the job itself");
        assert!(matches!(
            pool.spawn(|| ()).join(),
            Err(JoinError::Rejected(Reason::ShutDown))
        ));
        assert!(pool.shutdown().is_clean());
    });
}

#[test]
fn idle_waits_end_with_the_pool() {
    watched(|| {
        let (pool, go) = held_up();
        assert!(!pool.wait_idle_timeout(Duration::from_millis(5)));
        let pool = Arc::new(pool);
        let waiter = {
            let pool = pool.clone();
            thread::spawn(move || pool.wait_idle())
        };
        drop(go);
        assert!(pool.shutdown().is_clean());
        waiter.join().expect("no panic");
        assert!(pool.wait_idle_timeout(Duration::ZERO), "all have ended");
    });
}

#[test]
fn waiting_again_and_again_after_a_thousand_jobs() {
    watched(|| {
        // A lost wake-up shows as a hang here sooner or later.
        for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
            let pool = ThreadPool::builder()
                .threads(3)
                .queue(queue)
                .build()
                .expect("three threads");
            let ran = Arc::new(AtomicUsize::new(0));
            for round in 1..=30 {
                for _ in 0..1_000 {
                    let ran = ran.clone();
                    pool.execute(move || {
                        ran.fetch_add(1, SeqCst);
                    })
                    .expect("accepted");
                }
                pool.wait_idle();
                assert_eq!(ran.load(SeqCst), round * 1_000);
            }
        }
    });
}
