//! A runtime without threads of its own: whoever has something to wait for drives it.
//!
//! # States
//! There is one seat, worker 0's. It is free, with the worker's parts in it; or taken by a thread
//! that drives (in `block_on`, or in a shutdown); or gone, once the runtime is closed and the last
//! driver has left.
//!
//! # Protocol
//! * Driver: takes the parts, rings with its own thread from now on, runs turns until it has what
//!   it came for, puts the parts back, and wakes those who wait for the seat.
//! * Another thread in `block_on` meanwhile polls its own future only. It leaves a waker, tries the
//!   seat once more, and parks.
//! * Who closes the runtime, and who puts parts back into a runtime that is closed, takes them out
//!   again and leaves for the worker.
//!
//! # Why nothing is lost
//! A driver that leaves puts the parts back and then wakes; one that waits leaves its waker and
//! then tries. So of a driver that leaves and one that waits, the later one sees the other. The
//! same holds of closing: the phase is set and then the seat is tried; the seat is given back and
//! then the phase is read.

use alloc::{sync::Arc, vec::Vec};

use exec_core::{
    Ground, Nanos, Threads,
    sync::{TryLock, seeded},
};

use crate::{
    driver::Bell,
    owned::Owner,
    phase::CLOSED,
    queue::local::Local,
    shared::Shared,
    waiting::{Waiting, with},
    worker::Worker,
};

/// Where one thread at a time sits, with something that goes with the place.
pub struct Place<P> {
    parts: TryLock<Option<P>>,
    waiting: Waiting,
}

impl<P> Place<P> {
    /// A free one.
    pub fn new(parts: P) -> Self {
        Self {
            parts: TryLock::new(Some(parts)),
            waiting: Waiting::new(),
        }
    }

    /// Takes the parts, if nobody has them.
    pub fn take(&self, ground: &impl Ground) -> Option<P> {
        with(&self.parts, ground, Option::take)
    }

    /// Takes the parts, or else leaves a waker that is called when the place is free.
    pub fn take_or_wait(&self, ground: &impl Ground) -> Option<P> {
        let parts = self.take(ground);
        if parts.is_some() {
            return parts;
        }
        self.waiting.leave(&ground.unparker(), ground);
        if seeded("seat: who waits does not look twice") {
            return None;
        }
        self.take(ground)
    }

    /// Gives the parts back.
    pub fn give_back(&self, parts: P, ground: &impl Ground) {
        let mut parts = Some(parts);
        let wakes_first = seeded("seat: who leaves wakes first");
        if wakes_first {
            self.wake_waiting(ground);
        }
        with(&self.parts, ground, |place| *place = parts.take());
        if !wakes_first {
            self.wake_waiting(ground);
        }
    }

    /// Wakes who waits: the place is free, or gone for good.
    pub fn wake_waiting(&self, ground: &impl Ground) {
        self.waiting.wake_all(ground);
    }
}

/// The one seat, and how its driver is woken.
pub(crate) struct Seat {
    pub(crate) place: Place<Vec<(Local, Owner)>>,
    pub(crate) bell: Arc<Bell>,
}

impl<T: Threads> Shared<T> {
    /// Sits down with `parts`: runs turns until `over`, which `ready` says it is worth asking, or
    /// until `limit`.
    pub(crate) fn sit(
        self: &Arc<Self>,
        seat: &Seat,
        parts: Vec<(Local, Owner)>,
        limit: Option<Nanos>,
        over: &mut dyn FnMut() -> bool,
        ready: &dyn Fn() -> bool,
    ) {
        seat.bell.sit(&self.ground);
        match Worker::run_seated(self, parts, &seat.bell, limit, over, ready) {
            Some(parts) => {
                seat.place.give_back(parts, &self.ground);
                self.settle_seat();
            }
            None => seat.place.wake_waiting(&self.ground),
        }
    }

    /// Leaves for the worker of a closed runtime that nobody drives.
    pub(crate) fn settle_seat(self: &Arc<Self>) {
        let Some(seat) = &self.seat else { return };
        if self.phase.get() != CLOSED {
            return;
        }
        if let Some(parts) = seat.place.take(&self.ground) {
            let none = Worker::run_seated(self, parts, &seat.bell, None, &mut || false, &|| false);
            debug_assert!(none.is_none(), "invariant: a closed runtime keeps no parts");
            seat.place.wake_waiting(&self.ground);
        }
    }

    /// Waits until every worker has left, `until` at the latest; drives the runtime meanwhile if
    /// it has no threads. `true` when all have left.
    pub(crate) fn wait_until_left(self: &Arc<Self>, until: Option<Nanos>) -> bool {
        let Some(seat) = &self.seat else {
            return self.all_left.wait(&self.ground, until);
        };
        let late = || until.is_some_and(|at| self.now() >= at);
        loop {
            if self.all_left.is_set() {
                return true;
            }
            if late() {
                return false;
            }
            match seat.place.take_or_wait(&self.ground) {
                Some(parts) => {
                    self.sit(seat, parts, until, &mut || late(), &|| false);
                    if let Some(sim) = &self.sim {
                        sim.check(&self.name);
                    }
                }
                None => self.ground.park(until),
            }
        }
    }
}
