//! A stolen half of a join: its end reaches its owner, and so does work that its thief exposes.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    thread,
};
use loom_tests::{breaks, holds};
use pool_workstealing::model::{Ending, Outcome, Sleep};

const OWNER: usize = 0;
const THIEF: usize = 1;

/// What owner and thief share: the end, the place of the result, what the thief has exposed.
struct Half {
    sleep: Sleep,
    ending: Ending,
    result: UnsafeCell<u32>,
    exposed: AtomicUsize,
}

// SAFETY: the result is the thief's until the end, which loom checks.
unsafe impl Sync for Half {}
// SAFETY: as for `Sync`.
unsafe impl Send for Half {}

impl Half {
    /// Two workers that are both inside a job; the thief is a thread of its own.
    fn new(thief: impl FnOnce(&Half) + Send + 'static) -> (Arc<Half>, thread::JoinHandle<()>) {
        let half = Arc::new(Self {
            sleep: Sleep::new(2),
            ending: Ending::new(),
            result: UnsafeCell::new(0),
            exposed: AtomicUsize::new(0),
        });
        half.sleep.arrive(OWNER);
        half.sleep.stop_search(|| false);
        let theirs = half.clone();
        let thief = thread::spawn(move || {
            theirs.sleep.arrive(THIEF);
            theirs.sleep.stop_search(|| false);
            thief(&theirs);
        });
        (half, thief)
    }

    fn park_on(&self, look: impl Fn() -> bool) {
        if self.ending.begin_park() {
            let look = || !self.ending.is_running() || look();
            self.sleep.block(OWNER, Some(THIEF), look, thread::park);
            self.ending.end_park();
        }
    }

    fn end(&self, outcome: Outcome) {
        if self.ending.end(outcome) {
            self.sleep.unpark(OWNER);
        }
    }

    fn take_exposed(&self) -> bool {
        self.exposed
            .fetch_update(AcqRel, Acquire, |n| n.checked_sub(1))
            .is_ok()
    }
}

/// The owner sleeps, or is about to, while the thief ends the half.
fn a_thief_ends_the_half() {
    let (half, thief) = Half::new(|half| {
        // SAFETY: the thief's until the end.
        half.result.with_mut(|result| unsafe { *result = 7 });
        half.end(Outcome::Done);
    });
    let outcome = loop {
        if let Some(outcome) = half.ending.outcome() {
            break outcome;
        }
        half.park_on(|| false);
    };
    assert_eq!(outcome, Outcome::Done);
    // SAFETY: the half has ended.
    assert_eq!(half.result.with(|result| unsafe { *result }), 7);
    thief.join().unwrap();
}

#[test]
fn an_end_reaches_an_owner_that_parks() {
    holds(20, a_thief_ends_the_half);
}

#[test]
fn an_owner_that_parks_unannounced_breaks() {
    with_seed("fork: the owner parks unannounced", || {
        breaks(a_thief_ends_the_half);
    });
}

#[test]
fn an_end_that_publishes_nothing_breaks() {
    with_seed("fork: the end publishes nothing", || {
        breaks(a_thief_ends_the_half);
    });
}

/// The thief exposes work and stays in a long leaf: it ends only when the owner has run that.
fn a_thief_exposes_work() {
    let (half, thief) = Half::new(|half| {
        half.exposed.fetch_add(1, Release);
        half.sleep.forked_by_rmw();
        if half.sleep.idle().blocked() != 0 {
            half.sleep.help_wanted(THIEF);
        }
    });
    while !half.take_exposed() {
        half.park_on(|| half.exposed.load(Relaxed) != 0);
    }
    thief.join().unwrap();
}

#[test]
fn exposed_work_reaches_an_owner_that_parks() {
    holds(20, a_thief_exposes_work);
}

#[test]
fn an_owner_that_names_nobody_breaks() {
    with_seed(
        "sleep: a blocked worker does not say whose job it waits for",
        || breaks(a_thief_exposes_work),
    );
}
