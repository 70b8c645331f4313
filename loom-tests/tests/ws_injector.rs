//! The injector of pool-workstealing: each accepted job is taken once, over block ends and closes.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::thread;
use loom_tests::{breaks, holds};
use pool_workstealing::model::{Injector, Reader};

fn push(injector: &Injector<usize>, job: usize) {
    assert!(injector.push(|| job).is_ok(), "nobody has closed it");
}

fn push_from(injector: &Arc<Injector<usize>>, jobs: [usize; 2]) -> thread::JoinHandle<()> {
    let injector = injector.clone();
    thread::spawn(move || {
        for job in jobs {
            push(&injector, job);
        }
    })
}

/// Blocks have two slots under loom: four jobs roll over, and a third block reuses the first.
fn pushers_meet_a_taker() {
    let injector = Arc::new(Injector::new());
    let pusher = push_from(&injector, [1, 2]);
    let mut seen = Vec::new();
    push(&injector, 3);
    seen.extend(injector.take());
    push(&injector, 4);
    seen.extend(injector.take());
    pusher.join().unwrap();
    while let Some(job) = injector.take() {
        seen.push(job);
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4], "a job was lost or taken twice");
    assert!(!injector.has_ready());
    assert_eq!(injector.pushed(), 4);
}

#[test]
fn each_job_is_taken_once() {
    holds(30, pushers_meet_a_taker);
}

#[test]
fn a_job_that_is_ready_too_early_breaks() {
    with_seed("injector: ready without release", || {
        breaks(pushers_meet_a_taker);
    });
}

/// Two takers share what one pusher brings.
fn takers_meet_takers() {
    let injector = Arc::new(Injector::new());
    for job in 0..3 {
        push(&injector, job);
    }
    let taker = {
        let injector = injector.clone();
        thread::spawn(move || [injector.take(), injector.take()])
    };
    let mut seen = vec![injector.take(), injector.take()];
    seen.extend(taker.join().unwrap());
    let mut seen: Vec<usize> = seen.into_iter().flatten().collect();
    seen.extend(std::iter::from_fn(|| injector.take()));
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2], "a job was lost or taken twice");
}

#[test]
fn each_job_is_taken_once_by_two_takers() {
    holds(50, takers_meet_takers);
}

/// The last reader of a block and the one that moves the head past it come at once; the blocks
/// that are opened after that must still be one line.
fn a_block_is_read_out_and_left() {
    let injector = Arc::new(Injector::new());
    for job in 0..3 {
        push(&injector, job);
    }
    let taker = {
        let injector = injector.clone();
        thread::spawn(move || injector.take().into_iter().count())
    };
    let taken = (0..2).filter_map(|_| injector.take()).count() + taker.join().unwrap();
    for job in 3..9 {
        push(&injector, job);
    }
    // Bounded: in a circle of blocks this would not end.
    let rest = (0..9).filter_map(|_| injector.take()).count();
    assert_eq!(taken + rest, 9, "a job was lost in a circle of blocks");
}

#[test]
fn a_block_is_handed_back_once() {
    holds(20, a_block_is_read_out_and_left);
}

#[test]
fn a_block_that_is_handed_back_twice_breaks() {
    with_seed("injector: a block is handed back twice", || {
        breaks(a_block_is_read_out_and_left);
    });
}

/// Two takers count with readers of their own, while one of them brings more jobs: a block is
/// used again only when both have settled.
fn readers_settle_late() {
    let injector = Arc::new(Injector::new());
    for job in 0..3 {
        push(&injector, job);
    }
    let taker = {
        let injector = injector.clone();
        thread::spawn(move || {
            let reader = Reader::new();
            [injector.take_by(&reader), injector.take_by(&reader)]
        })
    };
    let reader = Reader::new();
    let mut seen = vec![injector.take_by(&reader), injector.take_by(&reader)];
    for job in 3..5 {
        push(&injector, job);
    }
    seen.extend(taker.join().unwrap());
    let mut seen: Vec<usize> = seen.into_iter().flatten().collect();
    seen.extend(std::iter::from_fn(|| injector.take_by(&reader)));
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4], "a job was lost or taken twice");
}

#[test]
fn a_block_waits_for_its_readers() {
    holds(50, readers_settle_late);
}

#[test]
fn a_reader_that_counts_too_soon_breaks() {
    with_seed("injector: a reader counts off before it has read", || {
        breaks(readers_settle_late);
    });
}

/// A push that meets a close is accepted and taken, or comes back.
fn a_push_meets_a_close() {
    let injector = Arc::new(Injector::new());
    let pusher = {
        let injector = injector.clone();
        thread::spawn(move || injector.push(|| 5).is_ok())
    };
    injector.close();
    let mut taken = 0;
    while !injector.is_drained() {
        match injector.take() {
            Some(_) => taken += 1,
            None => thread::yield_now(),
        }
    }
    let accepted = pusher.join().unwrap();
    assert_eq!(taken, usize::from(accepted), "accepted, yet not taken");
    assert!(injector.push(|| 6).is_err(), "closed is closed");
}

#[test]
fn a_close_answers_every_push() {
    holds(10, a_push_meets_a_close);
}

#[test]
fn a_close_that_leaves_slots_breaks() {
    with_seed("injector: close takes no slots away", || {
        breaks(a_push_meets_a_close);
    });
}
