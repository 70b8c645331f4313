//! mini-executor's idle protocol: a job that is posted is found, however its poster and the
//! workers that fall asleep interleave.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::{Ground, StdGround, sync::with_seed};
use loom::{
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Relaxed, Release},
    },
    thread,
};
use loom_tests::{breaks, holds};
use mini_executor::model::{Awake, Idle};

/// The runtime's queues as far as the protocol sees them: a number that posters raise without any
/// order of their own, and that workers look at before they sleep.
struct Model {
    idle: Idle,
    queued: AtomicUsize,
    /// Jobs that are still to be taken in this model.
    left: AtomicUsize,
}

impl Model {
    fn new(workers: usize, jobs: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(workers),
            queued: AtomicUsize::new(0),
            left: AtomicUsize::new(jobs),
        })
    }

    fn post(&self) {
        self.queued.fetch_add(1, Release);
        self.idle.post();
    }

    fn take(&self) -> bool {
        self.queued
            .fetch_update(AcqRel, Relaxed, |n| n.checked_sub(1))
            .is_ok()
    }

    /// A worker that takes jobs until none is left to come.
    fn work(&self, at: usize) {
        // SAFETY: once for each worker, before it sleeps.
        unsafe { self.idle.register(at, StdGround.unparker()) };
        let mut searching = false;
        while self.left.load(Relaxed) > 0 {
            if self.take() {
                if std::mem::take(&mut searching)
                    && self.idle.found()
                    && self.queued.load(Relaxed) > 0
                {
                    self.idle.post();
                }
                if self.left.fetch_sub(1, AcqRel) == 1 {
                    self.idle.wake_all();
                }
                continue;
            }
            self.idle.announce(at, std::mem::take(&mut searching));
            if self.queued.load(Relaxed) == 0 && self.left.load(Relaxed) > 0 {
                StdGround.park(None);
            }
            searching = self.idle.awake(at) == Awake::Claimed;
        }
    }
}

/// One job, one worker that falls asleep meanwhile. Nobody comes to help: a lost wake-up is a
/// deadlock, which loom reports.
fn post_meets_sleep() {
    let model = Model::new(1, 1);
    let poster = {
        let model = model.clone();
        thread::spawn(move || model.post())
    };
    model.work(0);
    poster.join().unwrap();
}

#[test]
fn a_posted_job_is_found() {
    holds(30, post_meets_sleep);
}

#[test]
fn a_posted_job_is_found_breaks_when_the_sleeper_does_not_fence() {
    with_seed("idle: the sleeper does not fence", || {
        breaks(post_meets_sleep)
    });
}

/// Two jobs, one after the other: the second may come while the worker, woken for the first,
/// searches in vain and leaves.
fn post_meets_searcher() {
    let model = Model::new(1, 2);
    let poster = {
        let model = model.clone();
        thread::spawn(move || {
            model.post();
            model.post();
        })
    };
    model.work(0);
    poster.join().unwrap();
}

#[test]
fn a_job_left_to_a_searcher_is_found() {
    holds(100, post_meets_searcher);
}

#[test]
fn a_job_left_to_a_searcher_is_found_breaks_when_the_poster_does_not_fence() {
    with_seed("idle: the poster does not fence", || {
        breaks(post_meets_searcher)
    });
}

/// Two posters, one worker: one poster sees the other's mark and leaves the wake to it.
fn posters_meet() {
    let model = Model::new(1, 2);
    let posters: Vec<_> = (0..2)
        .map(|_| {
            let model = model.clone();
            thread::spawn(move || model.post())
        })
        .collect();
    model.work(0);
    for poster in posters {
        poster.join().unwrap();
    }
}

#[test]
fn a_poster_may_rely_on_another() {
    holds(500, posters_meet);
}

#[test]
fn a_poster_may_rely_on_another_breaks_when_that_one_does_not_look_twice() {
    with_seed("idle: the poster does not look twice", || {
        breaks(posters_meet)
    });
}

/// Two workers, two jobs of one poster: the second job's wake is left to the worker that the
/// first one woke.
fn jobs_meet_workers() {
    let model = Model::new(2, 2);
    let other = {
        let model = model.clone();
        thread::spawn(move || model.work(1))
    };
    let poster = {
        let model = model.clone();
        thread::spawn(move || {
            model.post();
            model.post();
        })
    };
    model.work(0);
    poster.join().unwrap();
    other.join().unwrap();
    assert_eq!(model.queued.load(Relaxed), 0);
}

#[test]
fn every_job_of_several_is_found() {
    holds(10_000, jobs_meet_workers);
}

/// One worker finds a job in its last look, runs it and sleeps again; the other one asks meanwhile
/// whether all is quiet, which would end the runtime.
fn a_job_is_taken_while_another_worker_asks() {
    let model = Model::new(2, 1);
    // Posted before the runtime began to end.
    model.queued.store(1, Release);
    let taker = {
        let model = model.clone();
        thread::spawn(move || {
            model.idle.announce(1, false);
            if model.queued.load(Relaxed) > 0 {
                let _ = model.idle.awake(1);
                assert!(model.take());
                model.left.fetch_sub(1, AcqRel);
                model.idle.announce(1, false);
            }
        })
    };
    model.idle.announce(0, false);
    if model.idle.is_quiet(2, || model.queued.load(Relaxed) == 0) {
        assert_eq!(model.left.load(Relaxed), 0, "a job is in hand");
    }
    taker.join().unwrap();
    assert!(
        model.idle.is_quiet(2, || model.queued.load(Relaxed) == 0),
        "who sleeps last finds that all is quiet"
    );
}

#[test]
fn nobody_has_a_job_in_hand_when_all_is_quiet() {
    holds(80, a_job_is_taken_while_another_worker_asks);
}

#[test]
fn nobody_has_a_job_in_hand_when_all_is_quiet_breaks_when_one_look_is_enough() {
    with_seed("idle: quiet after one look", || {
        breaks(a_job_is_taken_while_another_worker_asks)
    });
}
