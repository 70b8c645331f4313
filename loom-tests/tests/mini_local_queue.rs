//! mini-executor's local queue: under steals, with room for four jobs, each job is taken once.
#![cfg(loom)]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use exec_core::{Job, JobVTable, sync::with_seed};
use loom::thread;
use loom_tests::{breaks, holds};
use mini_executor::model::{
    Local, Steal, Stealer,
    local::{CAPACITY, ring},
};

/// Counts how often each job ran (outside of loom's view: it is not part of the protocol). The
/// numbers are leaked and the jobs own nothing, so that a job which a seeded bug runs twice is
/// counted twice, and not freed twice.
#[derive(Clone, Copy)]
struct Jobs(&'static [AtomicUsize]);

static COUNTING: JobVTable = JobVTable {
    run: |runs| {
        count(runs);
        Ok(())
    },
    drop: count,
};

fn count(runs: *mut ()) {
    // SAFETY: the number that `Jobs::job` made the job of, which is leaked.
    let runs = unsafe { &*runs.cast::<AtomicUsize>() };
    runs.fetch_add(1, SeqCst);
}

impl Jobs {
    fn new(count: usize) -> Self {
        let runs: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        Self(runs.leak())
    }

    fn job(&self, at: usize) -> Job {
        let runs = (&raw const self.0[at]).cast_mut().cast();
        // SAFETY: the number lives for ever, and counting is sound any number of times.
        unsafe { Job::from_raw(runs, &COUNTING) }
    }

    fn each_ran_once(&self) {
        for (at, runs) in self.0.iter().enumerate() {
            assert_eq!(runs.load(SeqCst), 1, "job {at}");
        }
    }
}

fn run(job: Job) {
    job.run().expect("no panic");
}

fn run_all(local: &Local) {
    while let Some(job) = local.pop() {
        run(job);
    }
}

fn steal_once(from: &Stealer) {
    let (own, _) = ring();
    if let Steal::Success(job, _) = from.steal_into(&own, 1) {
        run(job);
        run_all(&own);
    }
}

fn owner_meets_thief() {
    let jobs = Jobs::new(3);
    let (local, stealer) = ring();
    let thief = thread::spawn(move || steal_once(&stealer));
    for at in 0..2 {
        local.push(jobs.job(at)).expect("room for four");
    }
    local.pop().map(run);
    local.push(jobs.job(2)).expect("room for four");
    run_all(&local);
    thief.join().unwrap();
    jobs.each_ran_once();
}

#[test]
fn each_job_is_taken_once() {
    holds(50, owner_meets_thief);
}

#[test]
fn each_job_is_taken_once_breaks_when_a_claim_is_two_steps() {
    with_seed("ring: a claim looks, then writes", || {
        breaks(owner_meets_thief)
    });
}

/// More jobs than slots: the owner comes around to slots that a thief may still be reading.
fn ring_goes_around() {
    let many = CAPACITY as usize + 2;
    let jobs = Jobs::new(many);
    let (local, stealer) = ring();
    let thief = thread::spawn(move || steal_once(&stealer));
    for at in 0..many {
        if let Err(job) = local.push(jobs.job(at)) {
            local.spill(run);
            run(job);
        }
    }
    run_all(&local);
    thief.join().unwrap();
    jobs.each_ran_once();
}

#[test]
fn a_slot_that_is_read_is_not_overwritten() {
    holds(200, ring_goes_around);
}

#[test]
fn a_slot_that_is_read_is_not_overwritten_breaks_when_push_forgets_the_thief() {
    with_seed("ring: push forgets the thief", || breaks(ring_goes_around));
}

fn thieves_meet() {
    let jobs = Jobs::new(4);
    let (local, stealer) = ring();
    for at in 0..4 {
        local.push(jobs.job(at)).expect("room for four");
    }
    let thieves: Vec<_> = (0..2)
        .map(|_| {
            let stealer = stealer.clone();
            thread::spawn(move || steal_once(&stealer))
        })
        .collect();
    run_all(&local);
    for thief in thieves {
        thief.join().unwrap();
    }
    jobs.each_ran_once();
}

#[test]
fn two_thieves_and_the_owner_share_the_jobs() {
    holds(500, thieves_meet);
}

#[test]
fn two_thieves_and_the_owner_share_the_jobs_breaks_when_a_claim_is_two_steps() {
    with_seed("ring: a claim looks, then writes", || breaks(thieves_meet));
}

fn next_meets_thief() {
    let jobs = Jobs::new(3);
    let (local, stealer) = ring();
    let thief = thread::spawn(move || {
        stealer.take_next().map(run);
    });
    for at in 0..3 {
        match local.put_next(jobs.job(at)) {
            Ok(former) => {
                former.map(run);
            }
            Err(job) => run(job),
        }
    }
    local.take_next().map(run);
    thief.join().unwrap();
    jobs.each_ran_once();
}

#[test]
fn the_next_job_is_taken_once() {
    holds(80, next_meets_thief);
}

#[test]
fn the_next_job_is_taken_once_breaks_when_put_does_not_wait_for_the_reader() {
    with_seed("slot: put does not wait for the reader", || {
        breaks(next_meets_thief)
    });
}
