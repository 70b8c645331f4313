//! A worker of pool-workstealing that waits for another pool, and takes any work of its own.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::{
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{AcqRel, Acquire, Release},
    },
    thread,
};
use loom_tests::{breaks, holds};
use pool_workstealing::model::Sleep;

/// A pool of two over a counter of jobs: seat 0 waits elsewhere, seat 1 is busy or searches.
struct Pool {
    sleep: Sleep,
    jobs: AtomicUsize,
    /// What seat 0 waits for: here, that it has run a job itself.
    done: AtomicBool,
}

impl Pool {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(2),
            jobs: AtomicUsize::new(0),
            done: AtomicBool::new(false),
        })
    }

    fn post(&self) {
        self.jobs.fetch_add(1, Release);
        self.sleep.posted();
    }

    fn has_jobs(&self) -> bool {
        self.jobs.load(Acquire) != 0
    }

    fn take(&self) -> bool {
        self.jobs
            .fetch_update(AcqRel, Acquire, |n| n.checked_sub(1))
            .is_ok()
    }

    /// Seat 0 sits down, and is in a job at once.
    fn wait_elsewhere(self: &Arc<Self>) -> thread::JoinHandle<()> {
        let pool = self.clone();
        pool.sleep.arrive(1);
        thread::spawn(move || {
            pool.sleep.arrive(0);
            pool.sleep.stop_search(|| false);
            while !pool.done.load(Acquire) {
                if pool.take() {
                    pool.done.store(true, Release);
                } else {
                    let look = || pool.has_jobs();
                    pool.sleep.block_open(0, look, thread::park);
                }
            }
        })
    }
}

/// Seat 1 is busy with what posts, and nobody sleeps: only the one that waits elsewhere is left.
fn a_busy_worker_posts() {
    let pool = Pool::new();
    let waiting = pool.wait_elsewhere();
    pool.sleep.stop_search(|| false);
    pool.post();
    waiting.join().unwrap();
}

/// The wait ends only when the job has run: a lost wake-up is a deadlock, which loom reports.
#[test]
fn a_post_reaches_who_waits_elsewhere() {
    holds(20, a_busy_worker_posts);
}

#[test]
fn a_wait_that_is_not_counted_as_open_breaks() {
    with_seed("sleep: an open wait is not counted", || {
        breaks(a_busy_worker_posts);
    });
}

/// Seat 1 searches, so that the posts wake nobody; it takes one job, and that waits for the other.
fn the_last_searcher_leaves_a_job() {
    let pool = Pool::new();
    let waiting = pool.wait_elsewhere();
    pool.post();
    pool.post();
    if pool.take() {
        pool.sleep.stop_search(|| pool.has_jobs());
    }
    waiting.join().unwrap();
}

#[test]
fn a_searcher_passes_on_to_who_waits_elsewhere() {
    holds(20, the_last_searcher_leaves_a_job);
}

#[test]
fn a_searcher_that_passes_on_to_sleepers_only_breaks() {
    with_seed("sleep: the last searcher wakes sleepers only", || {
        breaks(the_last_searcher_leaves_a_job);
    });
}
