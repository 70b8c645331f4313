//! The kernel's set of idle CPUs: between a CPU that goes to sleep and one that makes work ready.
#![cfg(loom)]

use kcore::{IdleSet, with_seed};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use loom_tests::{breaks, holds};

const CPU: u32 = 3;

/// The CPU decides once whether it halts; the poster decides once whether it interrupts.
fn halt_meets_post() {
    let idle = Arc::new(IdleSet::new());
    let ready = Arc::new(AtomicU32::new(0));
    let posting = {
        let (idle, ready) = (idle.clone(), ready.clone());
        thread::spawn(move || {
            ready.store(1, Ordering::Relaxed);
            idle.any_after_post() && idle.take_one() == Some(CPU)
        })
    };
    idle.announce(CPU);
    let halts = ready.load(Ordering::Relaxed) == 0;
    let interrupted = posting.join().unwrap();
    assert!(!halts || interrupted, "the CPU sleeps on ready work");
    idle.withdraw(CPU);
    assert_eq!(idle.take_one(), None);
}

#[test]
fn no_cpu_sleeps_on_ready_work() {
    holds(5, halt_meets_post);
}

#[test]
fn no_cpu_sleeps_on_ready_work_breaks_when_announce_has_no_fence() {
    with_seed("announce has no fence", || breaks(halt_meets_post));
}

fn two_posters_meet_one_idle_cpu() {
    let idle = Arc::new(IdleSet::new());
    idle.announce(CPU);
    let other = {
        let idle = idle.clone();
        thread::spawn(move || idle.take_one())
    };
    let taken = [idle.take_one(), other.join().unwrap()];
    let interrupts = taken.iter().filter(|cpu| **cpu == Some(CPU)).count();
    assert_eq!(interrupts, 1, "one interrupt for one CPU: {taken:?}");
}

#[test]
fn an_idle_cpu_is_interrupted_once() {
    holds(2, two_posters_meet_one_idle_cpu);
}

#[test]
fn an_idle_cpu_is_interrupted_once_breaks_when_both_believe_the_first_look() {
    with_seed("take_one believes its first look", || {
        breaks(two_posters_meet_one_idle_cpu);
    });
}
