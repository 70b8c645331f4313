//! The kernel's futex table: between threads that wait on a word and those who change it.
#![cfg(loom)]

mod kcore_fiber;

use kcore::{FutexKey, FutexTable, Pause, WaitEnd, with_seed};
use kcore_fiber::{Fiber, immortal};
use loom::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};
use loom_tests::{breaks, holds};

const KEY: FutexKey = FutexKey {
    space: 1,
    address: 0x5000,
};

type Table = FutexTable<Fiber, 1>;

struct Shared {
    table: Table,
    word: AtomicU32,
}

impl Shared {
    fn new() -> &'static Self {
        immortal(Self {
            table: Table::new(),
            word: AtomicU32::new(0),
        })
    }

    /// What a program does: wait as long as the word is 0.
    fn wait_for_change(&self) {
        let me = Fiber::new();
        while self.word.load(Ordering::Acquire) == 0 {
            let same = || Ok::<_, ()>(self.word.load(Ordering::Relaxed) == 0);
            let end = self.table.wait(KEY, &me, same, || me.pause());
            assert!(
                matches!(end, Ok(WaitEnd::Woken | WaitEnd::Changed)),
                "{end:?}"
            );
        }
    }

    fn change_and_wake(&self, n: usize) -> usize {
        self.word.store(1, Ordering::Release);
        self.table.wake(KEY, n)
    }
}

fn wait_meets_wake() {
    let shared = Shared::new();
    let waiter = thread::spawn(move || shared.wait_for_change());
    shared.change_and_wake(1);
    waiter.join().unwrap();
    assert_eq!(shared.table.waiting(), 0);
}

#[test]
fn no_wake_up_is_lost() {
    holds(10, wait_meets_wake);
}

#[test]
fn no_wake_up_is_lost_breaks_when_the_queue_is_entered_late() {
    with_seed("the queue is entered after the lock was gone", || {
        breaks(wait_meets_wake);
    });
}

#[test]
fn no_wake_up_is_lost_breaks_when_a_token_is_overwritten() {
    with_seed("finish_park does not look for a token", || {
        breaks(wait_meets_wake);
    });
}

fn two_waiters_meet_one_wake() {
    let shared = Shared::new();
    let waiter = thread::spawn(move || shared.wait_for_change());
    let waker = thread::spawn(move || {
        shared.change_and_wake(usize::MAX);
    });
    shared.wait_for_change();
    waiter.join().unwrap();
    waker.join().unwrap();
    assert_eq!(shared.table.waiting(), 0);
}

#[test]
fn a_wake_of_all_reaches_all() {
    holds(50, two_waiters_meet_one_wake);
}

#[test]
fn a_wake_of_all_reaches_all_breaks_when_it_stops_at_the_first() {
    with_seed("a wake of many stops at the first", || {
        breaks(two_waiters_meet_one_wake);
    });
}

/// A wait whose time is over at once.
fn timeout_meets_wake() {
    let shared = Shared::new();
    let waking = thread::spawn(move || shared.change_and_wake(1));
    let me = Fiber::new();
    let same = || Ok::<_, ()>(shared.word.load(Ordering::Relaxed) == 0);
    let end = shared.table.wait(KEY, &me, same, || Pause::TimedOut);
    let woken = waking.join().unwrap();
    assert_eq!(woken == 1, end == Ok(WaitEnd::Woken), "{woken} {end:?}");
    assert_eq!(shared.table.waiting(), 0);
}

#[test]
fn a_wake_up_counts_exactly_if_its_waiter_is_told() {
    holds(5, timeout_meets_wake);
}

#[test]
fn a_wake_up_counts_exactly_breaks_when_a_late_waiter_does_not_ask_again() {
    with_seed("a late waiter does not ask again", || {
        breaks(timeout_meets_wake);
    });
}
