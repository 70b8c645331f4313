//! The kernel's wait queues, of news of children and of console input: between those who wait for an
//! event and who makes it come.
#![cfg(loom)]

mod kcore_fiber;

use kcore::{Pause, WaitEnd, WaitQueue, with_seed};
use kcore_fiber::{Fiber, immortal};
use loom::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};
use loom_tests::{breaks, holds, holds_with_two_preemptions};

struct Shared {
    queue: WaitQueue<Fiber>,
    event: AtomicU32,
}

impl Shared {
    fn new() -> &'static Self {
        immortal(Self {
            queue: WaitQueue::new(),
            event: AtomicU32::new(0),
        })
    }

    fn has_come(&self) -> bool {
        self.event.load(Ordering::Relaxed) != 0
    }

    /// What the kernel does: wait, and ask again, until the event has come.
    fn wait(&self) {
        let me = Fiber::new();
        loop {
            let end = self.queue.wait(&me, || self.has_come(), || me.pause());
            match end {
                WaitEnd::Changed => return,
                WaitEnd::Woken => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn come(&self) {
        self.event.store(1, Ordering::Relaxed);
        self.queue.wake_all();
    }
}

fn wait_meets_event() {
    let shared = Shared::new();
    let waiter = thread::spawn(move || shared.wait());
    shared.come();
    waiter.join().unwrap();
    assert!(!shared.queue.wake_one(), "nobody is left");
}

#[test]
fn no_event_is_missed() {
    holds(5, wait_meets_event);
}

#[test]
fn no_event_is_missed_breaks_when_the_queue_is_entered_late() {
    with_seed("a wait queue is entered after the lock was gone", || {
        breaks(wait_meets_event);
    });
}

#[test]
fn no_event_is_missed_breaks_when_a_token_is_overwritten() {
    with_seed("finish_park does not look for a token", || {
        breaks(wait_meets_event);
    });
}

fn two_waits_meet_event() {
    let shared = Shared::new();
    let waiter = thread::spawn(move || shared.wait());
    let other = thread::spawn(move || shared.come());
    shared.wait();
    waiter.join().unwrap();
    other.join().unwrap();
}

#[test]
fn an_event_reaches_all() {
    holds_with_two_preemptions(50, two_waits_meet_event);
}

#[test]
fn an_event_reaches_all_breaks_when_the_wake_stops_at_the_first() {
    with_seed("a wake of all stops at the first", || {
        breaks(two_waits_meet_event);
    });
}

/// A wait whose time is over at once.
fn timeout_meets_wake() {
    let shared = Shared::new();
    let waking = thread::spawn(move || shared.queue.wake_one());
    let me = Fiber::new();
    let end = shared.queue.wait(&me, || false, || Pause::TimedOut);
    let woken = waking.join().unwrap();
    assert_eq!(woken, end == WaitEnd::Woken, "{woken} {end:?}");
    assert!(!shared.queue.wake_one(), "nobody is left");
}

#[test]
fn a_wake_up_goes_to_who_is_told_of_it() {
    holds(3, timeout_meets_wake);
}

#[test]
fn a_wake_up_goes_to_who_is_told_of_it_breaks_when_a_late_waiter_does_not_ask_again() {
    with_seed("a late waiter of a wait queue does not ask again", || {
        breaks(timeout_meets_wake);
    });
}
