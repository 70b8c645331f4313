//! The split deque of pool-workstealing: each forked job is taken once, by its owner or a thief.
#![cfg(loom)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use exec_core::sync::with_seed;
use loom::thread;
use loom_tests::{breaks, holds};
use pool_workstealing::model::Split;

/// Jobs that count how often they were taken (outside of loom's view).
struct Jobs([AtomicUsize; 3]);

impl Jobs {
    fn new() -> Arc<Self> {
        Arc::new(Self([const { AtomicUsize::new(0) }; 3]))
    }

    fn job(&self, i: usize) -> *mut AtomicUsize {
        std::ptr::from_ref(&self.0[i]).cast_mut()
    }

    fn took(&self, job: *const AtomicUsize) {
        let i = self
            .0
            .iter()
            .position(|each| std::ptr::eq(each, job))
            .expect("a pointer that was pushed");
        self.0[i].fetch_add(1, Relaxed);
    }
}

fn thief(
    split: &Arc<Split<AtomicUsize>>,
    jobs: &Arc<Jobs>,
    tries: usize,
) -> thread::JoinHandle<()> {
    let (split, jobs) = (split.clone(), jobs.clone());
    thread::spawn(move || {
        for _ in 0..tries {
            if let Some(job) = split.steal() {
                jobs.took(job);
            }
        }
    })
}

/// Forks, and takes the job back or finds it stolen.
fn fork(split: &Split<AtomicUsize>, jobs: &Jobs, i: usize, inner: impl FnOnce()) {
    assert!(split.push(jobs.job(i)), "there is room");
    split.expose(1);
    split.settle(1);
    inner();
    if split.pop() {
        jobs.took(jobs.job(i));
    }
}

/// Two forks one after the other and one within: indices are used again, and one thief looks on.
fn forks_meet_a_thief() {
    let (split, jobs) = (Arc::new(Split::new(2)), Jobs::new());
    let thief = thief(&split, &jobs, 2);
    fork(&split, &jobs, 0, || {});
    fork(&split, &jobs, 1, || fork(&split, &jobs, 2, || {}));
    thief.join().unwrap();
    for count in &jobs.0 {
        assert_eq!(count.load(Relaxed), 1, "a job was lost or taken twice");
    }
}

#[test]
fn each_job_is_taken_once() {
    holds(100, forks_meet_a_thief);
}

#[test]
fn a_reused_index_breaks() {
    with_seed("split: the last job is taken without moving top", || {
        breaks(forks_meet_a_thief);
    });
}

/// A thief that takes what it has seen before, if nothing has changed since.
fn forks_meet_a_patient_thief() {
    let (split, jobs) = (Arc::new(Split::new(2)), Jobs::new());
    let thief = {
        let (split, jobs) = (split.clone(), jobs.clone());
        thread::spawn(move || {
            for _ in 0..2 {
                if let Some(job) = split.peek().and_then(|offer| split.steal_if(offer)) {
                    jobs.took(job);
                }
            }
        })
    };
    fork(&split, &jobs, 0, || {});
    fork(&split, &jobs, 1, || fork(&split, &jobs, 2, || {}));
    thief.join().unwrap();
    for count in &jobs.0 {
        assert_eq!(count.load(Relaxed), 1, "a job was lost or taken twice");
    }
}

#[test]
fn each_job_is_taken_once_by_a_patient_thief() {
    holds(100, forks_meet_a_patient_thief);
}

#[test]
fn a_reused_index_breaks_with_a_patient_thief() {
    with_seed("split: the last job is taken without moving top", || {
        breaks(forks_meet_a_patient_thief);
    });
}

/// Two thieves at once.
fn a_fork_meets_two_thieves() {
    let (split, jobs) = (Arc::new(Split::new(2)), Jobs::new());
    let thieves = [thief(&split, &jobs, 1), thief(&split, &jobs, 1)];
    fork(&split, &jobs, 0, || fork(&split, &jobs, 1, || {}));
    fork(&split, &jobs, 2, || {});
    for thief in thieves {
        thief.join().unwrap();
    }
    for count in &jobs.0 {
        assert_eq!(count.load(Relaxed), 1, "a job was lost or taken twice");
    }
}

#[test]
fn each_job_is_taken_once_by_two_thieves() {
    holds(500, a_fork_meets_two_thieves);
}

#[test]
fn a_reused_index_breaks_with_two_thieves() {
    with_seed("split: the last job is taken without moving top", || {
        breaks(a_fork_meets_two_thieves);
    });
}
