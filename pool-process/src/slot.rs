//! A slot: the place of one worker, which outlives the processes that fill it one after the other.
//!
//! # States
//! | phase | process | call | how it is left |
//! |---|---|---|---|
//! | `Vacant` | none | none | the supervisor starts a process: `Starting` |
//! | `Starting` | yes | none | it says `Ready`: `Idle`; it ends: `Vacant` |
//! | `Idle` | yes | none | a call is assigned: `Busy`; the pool closes: `Ending`; it ends: `Vacant` |
//! | `Busy` | yes | yes | the answer is read: `Idle` or the next call; it ends: `Vacant` |
//! | `Ending` | yes | perhaps | it ends: `Vacant` |
//!
//! `Ending` is a process that was told to end or was killed, and is not reaped yet. Whatever the
//! phase, only the end of the process makes the slot vacant.
//!
//! And who reads what the process says ([`Reading`]):
//! * `Nobody`: it has nothing to say, or what it says can wait until somebody asks for it.
//! * `Armed`: the supervisor waits for it, among all others.
//! * `Supervisor`: the supervisor is reading right now.
//! * `Joiner`: a thread that wants just this answer is blocked in the read itself.

use core::time::Duration;

use exec_core::{Nanos, sync::Arc};

use crate::{call::Call, process::Process};

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Vacant,
    Starting,
    Idle,
    Busy,
    Ending,
}

/// Who reads; see the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Nobody,
    Armed,
    Supervisor,
    Joiner,
}

/// Why the pool itself has killed a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its job's time was up.
    TimedOut(Duration),
    /// Its job was cancelled.
    Cancelled,
    /// It said what no worker says, or closed its socket.
    Garbled,
    /// It did not get ready in time.
    TooSlow,
    /// The pool ends.
    Ended,
}

/// The place of one worker.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) process: Option<Arc<Process>>,
    pub(crate) call: Option<Arc<Call>>,
    pub(crate) reading: Reading,
    pub(crate) verdict: Option<Verdict>,
    /// When the process is killed: it has not got ready, its job's time is up, or it has not
    /// ended as it was told.
    pub(crate) deadline: Option<Nanos>,
    /// How much of the call's frame was sent, where the socket did not take all of it.
    pub(crate) unsent: Option<usize>,
    /// The process has ended and waits to be reaped.
    pub(crate) dead: bool,
    /// Which process this is of those that the slot has had: an event of another is stale.
    pub(crate) generation: u32,
    /// When the process was ready, once it was.
    pub(crate) ready_at: Option<Nanos>,
}

impl Slot {
    pub(crate) const fn new() -> Self {
        Self {
            phase: Phase::Vacant,
            process: None,
            call: None,
            reading: Reading::Nobody,
            verdict: None,
            deadline: None,
            unsent: None,
            dead: false,
            generation: 0,
            ready_at: None,
        }
    }

    /// Makes the slot vacant.
    pub(crate) fn vacate(&mut self) {
        *self = Self {
            generation: self.generation.wrapping_add(1),
            ..Self::new()
        };
    }

    /// Whether `process` is the one here.
    pub(crate) fn holds(&self, process: &Arc<Process>) -> bool {
        self.process
            .as_ref()
            .is_some_and(|here| Arc::ptr_eq(here, process))
    }

    /// Whether `call` is the one here.
    pub(crate) fn runs(&self, call: &Arc<Call>) -> bool {
        self.call
            .as_ref()
            .is_some_and(|here| Arc::ptr_eq(here, call))
    }

    /// Kills the process, for this reason unless there was one before.
    pub(crate) fn kill(&mut self, why: Verdict) {
        if let Some(process) = &self.process {
            self.verdict.get_or_insert(why);
            self.phase = Phase::Ending;
            self.deadline = None;
            process.kill();
        }
    }
}
