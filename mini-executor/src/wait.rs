//! How a thread blocks for a job of a runtime.
//!
//! A thread from outside parks. A worker that waits runs other tasks of its runtime meanwhile,
//! any of them, so a wait never holds a worker idle while there is work. What it cannot do is
//! return before a task that it began meanwhile has ended or given way: a task that blocks for
//! what only the suspended one underneath can provide blocks for ever. A wait for a job that is
//! itself suspended on this worker's stack is seen and refused.

use core::marker::PhantomData;

use exec_core::{
    Threads,
    wait::{Completion, WaitMode, Waited, Waiter, park_until},
};

use crate::context;

/// See the module head. It carries no state: the thread says whose worker it is.
pub(crate) struct TaskWaiter<T>(PhantomData<fn() -> T>);

impl<T: Threads> TaskWaiter<T> {
    const ONE: Self = Self(PhantomData);

    /// The waiter of every runtime on this ground.
    pub(crate) fn shared() -> &'static dyn Waiter {
        &Self::ONE
    }
}

impl<T: Threads> Waiter for TaskWaiter<T> {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        let ground = T::default();
        context::with(ground, |context| match context {
            Some(context) => match context.wait {
                // SAFETY: a context's own `wait` gets that context.
                Some(wait) => unsafe { wait(context, done, mode) },
                None => park_until(&ground, done, mode.until),
            },
            None => park_until(&ground, done, mode.until),
        })
    }

    fn runs_own_unstarted(&self) -> bool {
        true
    }
}
