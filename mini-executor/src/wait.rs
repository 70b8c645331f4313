//! How a thread blocks for a job of a runtime.
//!
//! A thread from outside parks. A worker that waits runs other tasks of its runtime meanwhile,
//! any of them, so a wait never holds a worker idle while there is work. What it cannot do is
//! return before a task that it began meanwhile has ended or given way: a task that blocks for
//! what only the suspended one underneath can provide blocks for ever. A wait for a job that is
//! itself suspended on this worker's stack is seen and refused.

use core::marker::PhantomData;

#[cfg(all(feature = "std", not(loom)))]
use exec_core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use exec_core::{
    Threads,
    wait::{Completion, WaitMode, Waited, Waiter, park_until},
};

use crate::context;

/// The forks before the newest runtime was made.
#[cfg(all(feature = "std", not(loom)))]
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// How many forks lie behind this process; 0 where there is no such thing.
#[inline]
pub(crate) fn forks() -> usize {
    #[cfg(all(feature = "std", not(loom)))]
    return exec_core::forks::count();
    #[cfg(not(all(feature = "std", not(loom))))]
    return 0;
}

/// A runtime is made: returns the forks before it.
pub(crate) fn watch_forks() -> usize {
    #[cfg(all(feature = "std", not(loom)))]
    FORKS.store(exec_core::forks::watch(), Relaxed);
    forks()
}

/// Whether all runtimes were made before this process was forked: their workers are not here, and
/// who waits for them waits for ever.
fn is_forked() -> bool {
    // ORDERING: what a child finds was written before it was forked.
    #[cfg(all(feature = "std", not(loom)))]
    return forks() != FORKS.load(Relaxed);
    #[cfg(not(all(feature = "std", not(loom))))]
    return false;
}

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
            None if is_forked() && !done.is_done() => Waited::WouldDeadlock,
            None => park_until(&ground, done, mode.until),
        })
    }

    fn runs_own_unstarted(&self) -> bool {
        true
    }
}
