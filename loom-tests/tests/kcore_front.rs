//! The front of the kernel's run queues: between the CPU that fills it and those who take from it.
#![cfg(loom)]

use core::num::NonZeroU64;

use kcore::{FrontWord, IdleSet, with_seed};
use loom::{sync::Arc, thread};
use loom_tests::{breaks, holds};

fn word(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).expect("numbers begin at 1")
}

/// The owner makes two threads ready and takes what is there; a thief takes what it finds meanwhile.
fn owner_meets_thief() {
    let front = Arc::new(FrontWord::new());
    let thief = {
        let front = front.clone();
        thread::spawn(move || [front.take(), front.take()])
    };
    let mut owned = Vec::new();
    for number in 1..=2 {
        while !front.is_empty() {
            owned.extend(front.take());
        }
        front.put(word(number));
    }
    owned.extend(front.take());
    let stolen = thief.join().unwrap();
    let mut all: Vec<_> = owned
        .into_iter()
        .chain(stolen.into_iter().flatten())
        .collect();
    all.extend(front.take());
    all.sort_unstable();
    assert_eq!(all, [word(1), word(2)], "each thread runs once");
}

#[test]
fn a_thread_in_the_front_goes_to_one_cpu() {
    holds(20, owner_meets_thief);
}

#[test]
fn a_thread_in_the_front_goes_to_one_cpu_breaks_when_taking_is_two_steps() {
    with_seed("two take one thread", || breaks(owner_meets_thief));
}

/// A CPU goes to sleep while another one fills its front.
fn halt_meets_front() {
    const CPU: u32 = 1;
    let shared = Arc::new((IdleSet::new(), FrontWord::new()));
    let posting = {
        let shared = shared.clone();
        thread::spawn(move || {
            let (idle, front) = &*shared;
            front.put(word(7));
            idle.any_after_post() && idle.take_one() == Some(CPU)
        })
    };
    let (idle, front) = &*shared;
    idle.announce(CPU);
    let halts = front.take().is_none();
    let interrupted = posting.join().unwrap();
    assert!(
        !halts || interrupted,
        "the CPU sleeps while a thread is ready"
    );
}

#[test]
fn no_cpu_sleeps_while_a_front_is_filled() {
    holds(4, halt_meets_front);
}

#[test]
fn no_cpu_sleeps_while_a_front_is_filled_breaks_when_announce_has_no_fence() {
    with_seed("announce has no fence", || breaks(halt_meets_front));
}
