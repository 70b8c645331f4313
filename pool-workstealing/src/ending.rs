//! How a stolen half of a join ends, and how its owner sleeps until then.
//!
//! # States
//! `PENDING` from the start; `PARKED` while the owner sleeps on it; `DONE` when the thief has
//! written the result; `RETURNED` when a thief gave the job back unrun. The last two are final.
//!
//! # Why nothing is lost
//! Owner and thief meet in one word by read-modify-write: either the owner's announcement fails
//! because a final state is there, or the thief's swap finds it and the thief unparks the owner.

use exec_core::sync::{
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    seeded,
};

const PENDING: u32 = 0;
const PARKED: u32 = 1;
const DONE: u32 = 2;
const RETURNED: u32 = 3;

/// What the owner of a stolen job has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The result is in the frame.
    Done,
    /// The job came back: run it.
    Returned,
}

/// The state of a stolen half.
#[derive(Debug)]
pub struct Ending(AtomicU32);

impl Ending {
    /// Of a half that has not ended.
    #[allow(clippy::new_without_default)]
    #[inline]
    pub fn new() -> Self {
        Self(AtomicU32::new(PENDING))
    }

    /// The final state, if it is there.
    #[inline]
    pub fn outcome(&self) -> Option<Outcome> {
        // ORDERING: pairs with the AcqRel of `end`: the result is seen.
        match self.0.load(Acquire) {
            DONE => Some(Outcome::Done),
            RETURNED => Some(Outcome::Returned),
            _ => None,
        }
    }

    /// Owner: says that it will park; `false` when the half has ended.
    pub fn begin_park(&self) -> bool {
        if seeded("fork: the owner parks unannounced") {
            return self.0.load(Relaxed) == PENDING;
        }
        self.0
            .compare_exchange(PENDING, PARKED, Relaxed, Relaxed)
            .is_ok()
    }

    /// Owner: whether the half still runs.
    pub fn is_running(&self) -> bool {
        // ORDERING: as `outcome`.
        matches!(self.0.load(Acquire), PENDING | PARKED)
    }

    /// Owner: is awake again.
    pub fn end_park(&self) {
        // A failure means that the half has ended, which `outcome` tells.
        let _ = self.0.compare_exchange(PARKED, PENDING, Relaxed, Relaxed);
    }

    /// Thief: sets the final state; `true`: the owner sleeps on it and must be unparked. It may be
    /// gone as soon as this returns.
    #[must_use]
    pub fn end(&self, outcome: Outcome) -> bool {
        let state = match outcome {
            Outcome::Done => DONE,
            Outcome::Returned => RETURNED,
        };
        let order = if seeded("fork: the end publishes nothing") {
            Relaxed
        } else {
            // ORDERING: Release publishes the result to `outcome`.
            AcqRel
        };
        self.0.swap(state, order) == PARKED
    }
}
