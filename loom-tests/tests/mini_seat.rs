//! mini-executor's seat: one thread at a time has what goes with it, and who waits for it gets it.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::{Ground, StdGround, sync::with_seed};
use loom::{cell::UnsafeCell, thread};
use loom_tests::{breaks, holds};
use mini_executor::model::Place;

struct Parts(UnsafeCell<usize>);

// SAFETY: the model is what shows that one thread at a time has it; loom reports the others.
unsafe impl Send for Parts {}

/// Waits for the seat, sits once, and leaves.
fn sit_once(place: &Place<Parts>) {
    loop {
        if let Some(parts) = place.take_or_wait(&StdGround) {
            // SAFETY: as for `Parts`.
            parts.0.with_mut(|sat| unsafe { *sat += 1 });
            place.give_back(parts, &StdGround);
            return;
        }
        StdGround.park(None);
    }
}

fn two_want_one_seat() {
    let place = Arc::new(Place::new(Parts(UnsafeCell::new(0))));
    let other = {
        let place = place.clone();
        thread::spawn(move || sit_once(&place))
    };
    sit_once(&place);
    other.join().unwrap();
    let parts = place.take(&StdGround).expect("both have left");
    // SAFETY: as above.
    assert_eq!(parts.0.with(|sat| unsafe { *sat }), 2);
}

#[test]
fn who_waits_for_the_seat_gets_it() {
    holds(50, two_want_one_seat);
}

#[test]
fn who_waits_for_the_seat_gets_it_breaks_without_a_second_look() {
    with_seed("seat: who waits does not look twice", || {
        breaks(two_want_one_seat);
    });
}

#[test]
fn who_waits_for_the_seat_gets_it_breaks_when_who_leaves_wakes_first() {
    with_seed("seat: who leaves wakes first", || breaks(two_want_one_seat));
}
