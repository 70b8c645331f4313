//! The end of a pool-basic pool: an accepted job runs or its joiner hears why not, whatever
//! comes when; and the wake-ups that this rests on.
#![cfg(loom)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use exec_core::{Executor, JoinError, Reason, Shutdown, sync::with_seed};
use loom::thread;
use loom_tests::{breaks, holds, holds_with_two_preemptions};
use pool_basic::ThreadPool;

/// A pool with that many workers, and a count of the jobs that ran.
fn pool(workers: usize) -> (Arc<ThreadPool>, Arc<AtomicUsize>) {
    let pool = ThreadPool::new(workers).expect("loom always has a thread");
    (Arc::new(pool), Arc::default())
}

/// One thread spawns while another one ends the pool: the job runs, comes back, or is cancelled
/// and counted.
fn execute_races_end(how: Shutdown) {
    let (pool, ran) = pool(1);
    let spawner = {
        let (pool, ran) = (pool.clone(), ran.clone());
        thread::spawn(move || {
            let spawned = pool.execute(move || {
                ran.fetch_add(1, SeqCst);
            });
            usize::from(spawned.is_err())
        })
    };
    let report = Executor::shutdown(&*pool, how);
    let came_back = spawner.join().unwrap();
    // Ends what `Now` has left running.
    if how != Shutdown::Drain {
        let _ = pool.shutdown();
    }
    let cancelled = pool.stats().cancelled as usize;
    assert_eq!(ran.load(SeqCst) + came_back + cancelled, 1);
    if how == Shutdown::Drain {
        assert_eq!((report.leaked, cancelled), (0, 0));
    }
}

#[test]
fn a_spawn_that_races_a_drain_runs_or_comes_back() {
    holds(5_000, || execute_races_end(Shutdown::Drain));
}

#[test]
fn a_spawn_that_races_now_runs_is_cancelled_or_comes_back() {
    holds_with_two_preemptions(5_000, || execute_races_end(Shutdown::Now));
}

#[test]
fn twin_a_poster_that_trusts_in_a_worker_is_found() {
    breaks(|| {
        with_seed("a poster trusts in a worker", || {
            execute_races_end(Shutdown::Drain);
        });
    });
}

/// One thread spawns and joins while another one ends the pool: the joiner always hears.
fn join_races_drain() {
    let (pool, ran) = pool(1);
    let spawner = {
        let (pool, ran) = (pool.clone(), ran.clone());
        thread::spawn(move || {
            let inside = ran.clone();
            let job = pool.spawn(move || inside.fetch_add(1, SeqCst));
            match job.join() {
                Ok(before) => assert_eq!((before, ran.load(SeqCst)), (0, 1)),
                Err(JoinError::Rejected(Reason::ShutDown)) => assert_eq!(ran.load(SeqCst), 0),
                Err(other) => panic!("{other}"),
            }
        })
    };
    assert_eq!(pool.shutdown().leaked, 0);
    spawner.join().unwrap();
}

#[test]
fn a_joiner_hears_of_a_job_that_races_a_drain() {
    holds_with_two_preemptions(5_000, join_races_drain);
}

/// Two threads end the pool; each returns only when the accepted job has run.
fn two_drains() {
    let (pool, ran) = pool(1);
    let inside = ran.clone();
    pool.execute(move || {
        inside.fetch_add(1, SeqCst);
    })
    .expect("nobody has closed it");
    let other = {
        let (pool, ran) = (pool.clone(), ran.clone());
        thread::spawn(move || {
            assert!(pool.shutdown().is_clean());
            assert_eq!(ran.load(SeqCst), 1);
        })
    };
    assert!(pool.shutdown().is_clean());
    assert_eq!(ran.load(SeqCst), 1);
    other.join().unwrap();
}

#[test]
fn two_drains_at_once_both_wait_for_the_job() {
    holds(10_000, two_drains);
}

#[test]
fn twin_a_worker_that_ends_without_a_last_look_is_found() {
    breaks(|| with_seed("a worker ends without a last look", two_drains));
}

/// A job that comes to a pool whose worker is falling asleep, which its joiner waits for.
fn post_meets_sleep() {
    let (pool, ran) = pool(1);
    for n in 0..2 {
        let inside = ran.clone();
        let job = pool.spawn(move || inside.fetch_add(1, SeqCst));
        assert_eq!(job.join().expect("it runs"), n);
    }
}

#[test]
fn no_post_is_missed_by_a_worker_that_falls_asleep() {
    holds(10_000, post_meets_sleep);
}

/// A job that comes while the pool is waited on to be idle.
fn idle_means_done() {
    let (pool, ran) = pool(1);
    let inside = ran.clone();
    pool.execute(move || {
        inside.fetch_add(1, SeqCst);
    })
    .expect("nobody has closed it");
    pool.wait_idle();
    assert_eq!(ran.load(SeqCst), 1);
}

#[test]
fn an_idle_pool_has_run_what_was_spawned_before() {
    holds(50, idle_means_done);
}

#[test]
fn twin_a_sleeper_that_does_not_look_again_is_found() {
    breaks(|| with_seed("a sleeper does not look again", idle_means_done));
}
