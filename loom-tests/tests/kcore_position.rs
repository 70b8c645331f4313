//! Two threads read from one open file.
#![cfg(loom)]

use kcore::{Position, with_seed};
use loom::{sync::Arc, thread};
use loom_tests::{breaks, holds};

/// Both take: the two ranges lie one behind the other.
fn two_threads_take() {
    let position = Arc::new(Position::new());
    let other = {
        let position = position.clone();
        thread::spawn(move || position.claim_read(3, || 8))
    };
    let (from, to) = position.claim_read(4, || 8);
    let (other_from, other_to) = other.join().unwrap();
    assert!(
        to == other_from || other_to == from,
        "{from} to {to} and {other_from} to {other_to}"
    );
    assert_eq!(position.claim_read(9, || 8), (7, 8));
}

#[test]
fn each_byte_goes_to_one_reader() {
    holds(2, two_threads_take);
}

#[test]
fn each_byte_goes_to_one_reader_breaks_when_the_position_is_moved_in_two_steps() {
    with_seed("a position is moved in two steps", || {
        breaks(two_threads_take)
    });
}
