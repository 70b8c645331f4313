//! How a thread waits for something another thread will finish.
//!
//! The generic layers never decide how to block: they hand a [`Completion`] to the model's
//! [`Waiter`]. One thread per job ends in the ground's thread join, a pool parks or helps, an
//! M:N executor parks the thread or runs other tasks. Deadlock by waiting is decided here too:
//! a model that cannot make progress any more says [`Waited::WouldDeadlock`] instead of hanging.
//!
//! # Protocol
//! 1. The waiter asks [`Completion::is_done`].
//! 2. It registers a waker with [`Completion::subscribe`]; `true` means done meanwhile.
//! 3. It parks (or helps) and returns to 1.
//!
//! # Why nothing is lost
//! `subscribe` and the completer meet in one atomic word: either the completer sees the waker,
//! or the subscriber sees the completion. The ground's token keeps a wake that comes before the
//! park.

use core::task::Waker;

use crate::{
    ground::{Ground, Nanos},
    job::JobId,
};

/// Something that will be finished once.
pub trait Completion: Send + Sync {
    /// Whether it is finished; what the finisher wrote is visible after `true`.
    fn is_done(&self) -> bool;

    /// Registers the waker to call at the finish, in place of the former one; `true` when it
    /// is finished already (the waker is not kept then).
    fn subscribe(&self, waker: &Waker) -> bool;

    /// The job that is waited for, where it is one job.
    fn job(&self) -> JobId {
        JobId::NONE
    }
}

/// What a wait may do and how long it may take.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WaitMode {
    /// When to give up.
    pub until: Option<Nanos>,
    /// Whether the model may answer [`Waited::WouldDeadlock`]. Where it may not (scopes and
    /// fork-join borrow from the waiting stack and must come to an end), it has to run jobs
    /// itself until it can.
    pub may_refuse: bool,
}

impl WaitMode {
    /// A wait without end, which the model may refuse.
    pub const JOIN: Self = Self {
        until: None,
        may_refuse: true,
    };
    /// A wait without end, which the model must bring to an end.
    pub const MUST_FINISH: Self = Self {
        until: None,
        may_refuse: false,
    };

    /// A wait until `at`, which the model may refuse.
    pub const fn until(at: Nanos) -> Self {
        Self {
            until: Some(at),
            may_refuse: true,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Waited {
    /// The completion is done.
    Done,
    /// The time was up first.
    TimedOut,
    /// The thread that would have finished it ended with this code instead.
    Exited(i32),
    /// Waiting would never end.
    WouldDeadlock,
}

/// How one model blocks a thread.
pub trait Waiter: Send + Sync {
    /// Blocks the current thread until `done`, in the way of the model.
    ///
    /// # Blocking
    /// Until `done` is done, `mode.until` has come, or the model sees that it would hang.
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited;

    /// Whether a joiner on the current thread may run the job it waits for itself, when that
    /// job has not been started: cheaper than any wake, and steal-safe, since the job is its own.
    fn runs_own_unstarted(&self) -> bool {
        false
    }
}

/// Parks the current thread on `ground` until `done` or until `until` has come.
///
/// # Blocking
/// Until then.
pub fn park_until(
    ground: &(impl Ground + ?Sized),
    done: &dyn Completion,
    until: Option<Nanos>,
) -> Waited {
    if done.is_done() {
        return Waited::Done;
    }
    let waker = ground.unparker();
    loop {
        if done.subscribe(&waker) || done.is_done() {
            return Waited::Done;
        }
        if until.is_some_and(|at| ground.now() >= at) {
            return Waited::TimedOut;
        }
        ground.park(until);
        if done.is_done() {
            return Waited::Done;
        }
    }
}

/// The waiter of a model that just parks: right wherever no worker of the model ever waits, or
/// where a waiting worker cannot starve the others (one thread per job).
#[derive(Clone, Copy, Debug, Default)]
pub struct ParkWaiter<G>(
    /// The ground to park on.
    pub G,
);

impl<G: Ground> Waiter for ParkWaiter<G> {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        park_until(&self.0, done, mode.until)
    }
}
