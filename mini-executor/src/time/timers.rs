//! The timers of one worker: which waker is due when.
//!
//! # Protocol
//! A worker puts the timers of its tasks into its own [`Timers`], fires what is due at its
//! regular looks, and sleeps until the next one at most. A thread from outside puts its timer
//! with some worker and wakes that one if it sleeps. A busy worker also fires what is overdue
//! with others, which may be stuck in a long poll.
//!
//! # Why nothing is lost
//! The next deadline is published after each change (see [`Lane`]); a worker that goes to sleep
//! reads it after its fence. A timer that comes while another thread holds the wheel goes to the
//! late list, which counts as due now, and is moved in by the next look.

use alloc::vec::Vec;
use core::task::Waker;

use exec_core::{Nanos, unwind};

use super::wheel::{Key, Wheel};
use crate::queue::lane::{Container, Lane, Put};

/// Wakers that one turn calls at most, so that a million timers do not hold up the tasks.
const TURN: usize = 128;

impl Container for Wheel {
    type Item = (Nanos, Waker);
    /// Late timers: due now, for all one can tell.
    const LOOK: u64 = 0;
    fn put(&mut self, (at, waker): (Nanos, Waker)) {
        self.add(at, waker);
    }
    fn take_all(&mut self) -> Vec<(Nanos, Waker)> {
        Wheel::take_all(self)
            .into_iter()
            .map(|waker| (Nanos::MAX, waker))
            .collect()
    }
    fn level(&self) -> u64 {
        self.next().0
    }
}

/// What became of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Added {
    /// It can be taken back with this key.
    Keyed(Key),
    /// It will fire, and cannot be taken back.
    Unkeyed,
    /// The runtime has ended.
    Closed,
}

/// See the module head.
pub(crate) struct Timers(Lane<Wheel>);

impl Timers {
    pub(crate) fn new() -> Self {
        Self(Lane::new(Wheel::new()))
    }

    /// Arranges for `waker` to be called at `at`.
    ///
    /// The caller wakes the worker of these timers unless it is that worker.
    pub(crate) fn add(&self, at: Nanos, waker: &Waker) -> Added {
        let added = self
            .0
            .try_with(|wheel, closed| {
                if closed {
                    return Added::Closed;
                }
                Added::Keyed(wheel.add(at, waker.clone()))
            })
            .unwrap_or_else(|| match self.0.put((at, waker.clone())) {
                Put::Closed(_) => Added::Closed,
                Put::In | Put::Late => Added::Unkeyed,
            });
        if self.0.is_closed() {
            self.drop_all(self.0.settle());
        }
        added
    }

    /// Sees to it that the timer calls `waker`; `false` when it has fired, or cannot be reached
    /// now.
    pub(crate) fn renew(&self, key: Key, waker: &Waker) -> bool {
        let renewed = self.0.try_with(|wheel, _| {
            let kept = wheel.waker(key)?;
            let old = (!kept.will_wake(waker)).then(|| core::mem::replace(kept, waker.clone()));
            Some(old)
        });
        // An old waker is dropped when nothing is held.
        renewed.flatten().is_some()
    }

    /// Takes a timer back, if it has not fired and nobody holds the wheel; otherwise it fires for
    /// nothing.
    pub(crate) fn remove(&self, key: Key) {
        if let Some(Some(waker)) = self.0.try_with(|wheel, _| wheel.remove(key)) {
            let _ = unwind::drop_caught(waker).map_err(unwind::discard);
        }
    }

    /// When the next one is due; [`Nanos::MAX`] when there is none.
    #[inline]
    pub(crate) fn next(&self) -> Nanos {
        Nanos(self.0.level())
    }

    /// Calls what is due, a bounded number; `true` when it called any.
    pub(crate) fn fire(&self, now: Nanos) -> bool {
        if self.next() > now {
            return false;
        }
        let due = self.0.try_with(|wheel, _| wheel.take_due(now, TURN));
        let due = due.unwrap_or_default();
        let any = !due.is_empty();
        for waker in due {
            // A waker is foreign code, and is called while nothing is held.
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
        any
    }

    /// Drops every timer and takes no more.
    pub(crate) fn close(&self) {
        self.drop_all(self.0.close());
    }

    fn drop_all(&self, timers: Vec<(Nanos, Waker)>) {
        for (_, waker) in timers {
            let _ = unwind::drop_caught(waker).map_err(unwind::discard);
        }
    }
}
