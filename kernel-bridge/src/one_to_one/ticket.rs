//! Waiting for a job of one-to-one is joining its thread.
//!
//! # Protocol
//! A wait without a deadline ends in the ground's thread join. A wait with one parks on the job's
//! completion first, since a join has no deadline, and joins when the job is done. A thread that
//! waits for itself is told so before anything else.

use core::marker::PhantomData;

use exec_core::{
    Nanos, ThreadJoinError, Threads,
    sync::{Arc, TryLock},
    wait::{Completion, WaitMode, Waited, Waiter, park_until},
};

use super::driver::Driver;

/// The right to join one thread; dropping it detaches the thread.
pub(super) struct JoinThread<T: Threads> {
    /// Taken by the join. There is one joiner, so nobody ever finds it in use.
    thread: TryLock<Option<T::Thread>>,
    /// For a future, the driver that the thread serves.
    driver: Option<Arc<Driver>>,
}

impl<T: Threads> JoinThread<T> {
    pub(super) fn new(thread: T::Thread, driver: Option<Arc<Driver>>) -> Self {
        Self {
            thread: TryLock::new(Some(thread)),
            driver,
        }
    }

    fn is_current(&self) -> bool {
        let current = self
            .thread
            .try_with(|thread| thread.as_ref().map(|t| T::default().is_current(t)));
        current.flatten().unwrap_or(false)
    }

    fn park(done: &dyn Completion, until: Option<Nanos>) -> Waited {
        park_until(&T::default(), done, until)
    }
}

impl<T: Threads> Waiter for JoinThread<T> {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        if mode.may_refuse && self.is_current() && !done.is_done() {
            return Waited::WouldDeadlock;
        }
        if mode.until.is_some() && Self::park(done, mode.until) == Waited::TimedOut {
            return Waited::TimedOut;
        }
        let Some(thread) = self.thread.try_with(Option::take).flatten() else {
            // An earlier wait has used the thread up.
            return Self::park(done, None);
        };
        match T::default().join(thread) {
            _ if done.is_done() => Waited::Done,
            // A future can be completed by another thread (one that drops its job), which tells
            // the driver first and completes then.
            _ if self.driver.as_ref().is_some_and(|d| d.is_ended()) => Self::park(done, None),
            Ok(code) => Waited::Exited(code),
            Err(ThreadJoinError::WouldDeadlock) if mode.may_refuse => Waited::WouldDeadlock,
            // The ground has lost the thread, or says that joining it would hang where hanging
            // is what the caller asked for: the completion is what is left to wait for.
            Err(_) => Self::park(done, None),
        }
    }
}

/// Waiting for something that is not one thread (a scope): parking.
pub(super) struct Park<T>(PhantomData<fn() -> T>);

impl<T> Park<T> {
    pub(super) const NEW: Self = Self(PhantomData);
}

impl<T: Threads> Waiter for Park<T> {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        park_until(&T::default(), done, mode.until)
    }
}
