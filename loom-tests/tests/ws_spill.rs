//! The spill of pool-workstealing: what its owner adds is taken once, over block ends and reuse.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::thread;
use loom_tests::{breaks, holds};
use pool_workstealing::model::{Spill, SpillReader as Reader};

fn push(spill: &Spill<usize>, job: usize) {
    // SAFETY: every model pushes from its main thread only.
    unsafe { spill.push(|| job) };
}

fn take_from(spill: &Arc<Spill<usize>>, times: usize) -> thread::JoinHandle<Vec<usize>> {
    let spill = spill.clone();
    thread::spawn(move || {
        let reader = Reader::new();
        let seen = (0..times).filter_map(|_| spill.take_by(&reader)).collect();
        spill.settle(&reader);
        seen
    })
}

/// Takes the rest, and checks that each of `0..jobs` was seen once.
fn check(spill: &Spill<usize>, reader: &Reader<usize>, mut seen: Vec<usize>, jobs: usize) {
    seen.extend(std::iter::from_fn(|| spill.take_by(reader)));
    assert!(spill.is_empty());
    seen.sort_unstable();
    assert!(
        seen.iter().copied().eq(0..jobs),
        "lost or taken twice: {seen:?}"
    );
}

/// Blocks have two slots under loom: three jobs make a second one.
fn the_owner_meets_a_taker() {
    let spill = Arc::new(Spill::new());
    let taker = take_from(&spill, 2);
    (0..3).for_each(|job| push(&spill, job));
    let reader = Reader::new();
    let mut seen: Vec<usize> = spill.take_by(&reader).into_iter().collect();
    let theirs = taker.join().unwrap();
    assert!(theirs.is_sorted(), "one taker sees the oldest first");
    seen.extend(theirs);
    check(&spill, &reader, seen, 3);
}

#[test]
fn each_job_is_taken_once() {
    holds(100, the_owner_meets_a_taker);
}

#[test]
fn a_job_that_shows_too_early_breaks() {
    with_seed("spill: filled without release", || {
        breaks(the_owner_meets_a_taker);
    });
}

/// Two takers empty the first block while the owner goes on: it opens that block again only when
/// both have read what they took.
fn takers_read_late() {
    let spill = Arc::new(Spill::new());
    (0..3).for_each(|job| push(&spill, job));
    let taker = take_from(&spill, 2);
    let reader = Reader::new();
    let mut seen: Vec<usize> = (0..2).filter_map(|_| spill.take_by(&reader)).collect();
    // Ends the second block, and wants a third.
    (3..6).for_each(|job| push(&spill, job));
    seen.extend(taker.join().unwrap());
    check(&spill, &reader, seen, 6);
}

#[test]
fn a_block_waits_for_its_readers() {
    holds(100, takers_read_late);
}

#[test]
fn a_block_that_does_not_wait_breaks() {
    with_seed("spill: a block is opened before it was read out", || {
        breaks(takers_read_late);
    });
}

#[test]
fn a_reader_that_counts_too_soon_breaks() {
    with_seed("spill: a reader counts off before it has read", || {
        breaks(takers_read_late);
    });
}
