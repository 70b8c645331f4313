//! mini-executor's readiness word: an event reaches who waits for it, and nobody else.
#![cfg(loom)]

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use exec_core::sync::{Condvar, Mutex, with_seed};
use loom::{
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire},
    },
    thread,
};
use loom_tests::{breaks, holds};
use mini_executor::model::{
    Readiness, Way,
    readiness::{READABLE, WRITABLE},
};

/// A waker that counts.
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, AcqRel);
    }
}

/// A thread that parks, and is unparked by a waker.
#[derive(Default)]
struct Parker {
    token: Mutex<bool>,
    came: Condvar,
}

impl Parker {
    fn park(&self) {
        let mut token = self.token.lock();
        while !*token {
            token = self.came.wait(token);
        }
        *token = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.token.lock() = true;
        self.came.notify_one();
    }
}

fn tell(readiness: &Readiness, generation: u32, bits: u64) {
    for waker in readiness.event(generation, bits).into_iter().flatten() {
        waker.wake();
    }
}

/// A socket: bytes that have come, each of which the system tells with an event.
struct Socket {
    readiness: Readiness,
    bytes: AtomicUsize,
}

impl Socket {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            readiness: Readiness::new(),
            bytes: AtomicUsize::new(0),
        })
    }

    fn arrive(&self) {
        self.bytes.fetch_add(1, AcqRel);
        tell(&self.readiness, 0, READABLE);
    }

    /// Reads a byte, parked while there is none. A lost event is a deadlock, which loom reports.
    fn read(&self) {
        let parker = Arc::new(Parker::default());
        let waker = Waker::from(parker.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            match self.readiness.poll_ready(Way::In, &mut cx) {
                Poll::Pending => parker.park(),
                Poll::Ready(seen) => {
                    let took = self
                        .bytes
                        .fetch_update(AcqRel, Acquire, |n| n.checked_sub(1));
                    if took.is_ok() {
                        return;
                    }
                    self.readiness.clear(Way::In, seen);
                }
            }
        }
    }
}

fn bytes_meet_reader() {
    let socket = Socket::new();
    let system = {
        let socket = socket.clone();
        thread::spawn(move || {
            socket.arrive();
            socket.arrive();
        })
    };
    socket.read();
    socket.read();
    system.join().unwrap();
}

#[test]
fn a_reader_sees_every_byte() {
    holds(400, bytes_meet_reader);
}

#[test]
fn a_reader_sees_every_byte_breaks_without_a_second_look() {
    with_seed("readiness: no second look", || breaks(bytes_meet_reader));
}

#[test]
fn a_reader_sees_every_byte_breaks_when_it_clears_an_event() {
    with_seed("readiness: clears an event", || breaks(bytes_meet_reader));
}

/// An event of a socket that was closed comes late, when another has its place.
fn late_event_meets_new_owner() {
    let readiness = Arc::new(Readiness::new());
    let late = {
        let readiness = readiness.clone();
        thread::spawn(move || tell(&readiness, 0, READABLE | WRITABLE))
    };
    drop(readiness.end());
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(counter.clone());
    let polled = readiness.poll_ready(Way::In, &mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "an event of the former owner");
    late.join().unwrap();
    assert!(
        readiness
            .poll_ready(Way::Out, &mut Context::from_waker(&waker))
            .is_pending(),
        "an event of the former owner"
    );
}

#[test]
fn an_event_does_not_reach_the_next_owner() {
    holds(20, late_event_meets_new_owner);
}

#[test]
fn an_event_does_not_reach_the_next_owner_breaks_when_any_generation_counts() {
    with_seed("readiness: any generation", || {
        breaks(late_event_meets_new_owner)
    });
}

/// One task waits to read, another to write, and one event is for both.
fn event_meets_both() {
    let readiness = Arc::new(Readiness::new());
    let waiter = |way: Way| {
        let readiness = readiness.clone();
        move || {
            let parker = Arc::new(Parker::default());
            let waker = Waker::from(parker.clone());
            let mut cx = Context::from_waker(&waker);
            while readiness.poll_ready(way, &mut cx).is_pending() {
                parker.park();
            }
        }
    };
    let reader = thread::spawn(waiter(Way::In));
    let writer = waiter(Way::Out);
    let system = {
        let readiness = readiness.clone();
        thread::spawn(move || tell(&readiness, 0, READABLE | WRITABLE))
    };
    writer();
    reader.join().unwrap();
    system.join().unwrap();
}

#[test]
fn one_event_wakes_both_ways() {
    holds(2_000, event_meets_both);
}
