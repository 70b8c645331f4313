//! mini-executor's bell: a worker that parks, in the reactor or on its token, hears every ring.
#![cfg(loom)]

use std::{sync::Arc, task::Wake, time::Duration};

use exec_core::{StdGround, sync::with_seed};
use loom::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};
use loom_tests::{breaks, holds};
use mini_executor::model::{Bell, ParkPlace};

/// A reactor: whoever is inside waits until it is woken. Nothing else ever happens in there.
struct Reactor {
    woken: Mutex<bool>,
    wake: Condvar,
    /// Another worker is inside for the whole model.
    taken: bool,
}

impl Reactor {
    fn new(taken: bool) -> Arc<Self> {
        Arc::new(Self {
            woken: Mutex::new(false),
            wake: Condvar::new(),
            taken,
        })
    }
}

impl ParkPlace for Reactor {
    fn is_used(&self) -> bool {
        true
    }
    fn park(&self, _: Option<Duration>) -> bool {
        if self.taken {
            return false;
        }
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.wake.wait(woken).unwrap();
        }
        *woken = false;
        true
    }
    fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.wake.notify_one();
    }
}

/// One worker that parks until there is something, and one that makes it so and rings. A ring that
/// is not heard leaves the worker parked for ever, which loom reports.
fn ring_meets_park(taken: bool) {
    let bell = Bell::new(StdGround, Reactor::new(taken));
    let there = Arc::new(AtomicBool::new(false));
    // Not joined: loom lets no thread that is in a join be unparked, as a late ring does.
    drop({
        let (bell, there) = (bell.clone(), there.clone());
        thread::spawn(move || {
            // Relaxed: that it is seen after the ring is the bell's doing.
            there.store(true, Relaxed);
            bell.wake();
        })
    });
    while !there.load(Relaxed) {
        bell.park(StdGround, None);
    }
}

#[test]
fn a_ring_is_heard_in_the_reactor() {
    holds(15, || ring_meets_park(false));
}

#[test]
fn a_ring_is_heard_in_the_reactor_breaks_when_the_ringer_does_not_fence() {
    with_seed("bell: the ringer does not fence", || {
        breaks(|| ring_meets_park(false));
    });
}

#[test]
fn a_ring_is_heard_when_another_is_in_the_reactor() {
    holds(15, || ring_meets_park(true));
}

#[test]
fn a_ring_is_heard_when_another_is_in_the_reactor_breaks_without_the_second_look() {
    with_seed("bell: the parker does not look again", || {
        breaks(|| ring_meets_park(true));
    });
}
