//! Where the polls of a task go: back to the runtime that it was spawned on.
//!
//! # Why a task does not count
//! A counted pointer in every task would be a cache line that all workers write at every spawn
//! and at every end. So a task has a plain pointer to its runtime's shared part, and all tasks
//! together hold one share of it, taken when the runtime is made.
//!
//! # Protocol
//! A task uses its home only between `adopt` and `disown`: a task that has ended is never
//! scheduled again (its cell says so), and `disown` is the last use. The tasks' share is given
//! back by whoever finds that every worker has left and that no task lives: the last worker, a
//! guest that outlasted it, or the end of a last task (one whose waker was just being called
//! elsewhere).
//!
//! # Why nothing dangles
//! While a task lives, the share does, and with it the memory. A thread that is not a worker takes
//! a counted pointer for the length of each call, so that the task whose end it causes may give
//! the share back under it; a worker has one for as long as it runs. Who counts the living has
//! seen all workers leave first, and so sees every task that they entered; a spawn from outside
//! that is still under way borrows the runtime itself. A task that never ends keeps the share for
//! ever: that leaks, and nothing else.

use alloc::sync::Arc;
use core::mem::ManuallyDrop;

use exec_core::{
    Job, Threads, Wake,
    sync::{
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Relaxed, SeqCst},
            fence,
        },
        seeded,
    },
    task::{Schedule, TaskRef, Waits},
    wait::Waiter,
};

use crate::{shared::Shared, wait::TaskWaiter};

/// A task's way to its runtime; see the module head.
pub(crate) struct Home<T: Threads>(*const Shared<T>);

// SAFETY: it leads to a `Shared`, which may be used from any thread.
unsafe impl<T: Threads> Send for Home<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Threads> Sync for Home<T> {}

impl<T: Threads> Clone for Home<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

/// Whether the tasks' share is still there.
#[derive(Debug)]
pub struct TasksShare(AtomicBool);

impl TasksShare {
    /// It was not taken yet.
    pub fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Takes it; `false` when it was taken before.
    pub fn take(&self) -> bool {
        !self.0.swap(true, AcqRel)
    }

    /// After the caller has published what it changed: whether it is the caller that gives the
    /// share back, which it is if all is `over`, and nobody else was faster.
    pub fn give_back(&self, over: impl FnOnce() -> bool) -> bool {
        if !seeded("home: who gives back does not fence") {
            // ORDERING: pairs with itself. Of the last worker's leaving and the last task's end,
            // the later one sees the other.
            fence(SeqCst);
        }
        if !over() {
            return false;
        }
        if seeded("home: who gives back looks, then writes") {
            let there = self.0.load(Relaxed);
            self.0.store(false, Relaxed);
            return there;
        }
        self.0.swap(false, AcqRel)
    }
}

impl Default for TasksShare {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Threads> Shared<T> {
    /// Takes the tasks' share; once, when the runtime is made.
    pub(crate) fn take_share(self: &Arc<Self>) {
        if self.share.take() {
            core::mem::forget(self.clone());
        }
    }

    /// Gives the tasks' share back if no task needs it any more.
    pub(crate) fn settle_share(self: &Arc<Self>) {
        if self
            .share
            .give_back(|| self.all_left.is_set() && self.no_task_lives())
        {
            // SAFETY: `take_share` forgot one count, and the flag says that it is there. The
            // caller has a count of its own, so this is not the last.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(self)) };
        }
    }

    /// Once all workers have left.
    fn no_task_lives(&self) -> bool {
        // Taking each list for a moment makes visible what its owners have entered; who enters
        // later sees that the runtime is closed, and strikes out again before it returns.
        let seen = self.guest.try_with(|guest| guest.is_some()) == Some(true)
            && self
                .outside_tasks
                .iter()
                .all(|(owner, _)| owner.try_with(|_| ()).is_some());
        seen && self.shards().all(|shard| shard.live() == 0)
    }
}

impl<T: Threads> Home<T> {
    /// The home of the tasks of `shared`.
    pub(crate) fn of(shared: &Arc<Shared<T>>) -> Self {
        debug_assert!(
            shared.share.0.load(Relaxed) || shared.all_left.is_set(),
            "invariant: a runtime has the tasks' share until its end"
        );
        Self(Arc::as_ptr(shared))
    }

    /// Calls `f` with the runtime, which stays until `f` returns, and with whether this thread is a
    /// worker of it.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&Arc<Shared<T>>, bool) -> R) -> R {
        // SAFETY: the task lives, by the module head, so the memory is there.
        let on_worker = unsafe { &*self.0 }.with_worker(|worker| worker.is_some());
        if !on_worker {
            // SAFETY: as above, and the pointer came from an `Arc`.
            unsafe { Arc::increment_strong_count(self.0) };
            // SAFETY: the count just added.
            return f(&unsafe { Arc::from_raw(self.0) }, false);
        }
        // SAFETY: the worker's own count outlives `f`, so this one is lent and never given back.
        let lent = ManuallyDrop::new(unsafe { Arc::from_raw(self.0) });
        f(&lent, true)
    }
}

impl<T: Threads> Waits for Home<T> {
    fn waiter(&self) -> &'static dyn Waiter {
        TaskWaiter::<T>::shared()
    }
}

impl<T: Threads> Schedule for Home<T> {
    #[inline]
    fn schedule(&self, job: Job, wake: Wake) {
        // SAFETY: the task lives, by the module head, so the memory is there.
        let shared = unsafe { &*self.0 };
        shared.with_worker(|worker| match worker {
            // A worker has a count of its own.
            Some(worker) => {
                if let Err(job) = worker.wake(job, wake) {
                    shared.refused(job);
                }
            }
            None => self.with(|shared, _| {
                if let Err(job) = shared.wake_from_outside(job) {
                    shared.refused(job);
                }
            }),
        });
    }

    #[inline]
    fn adopt(&self, task: TaskRef) -> usize {
        // SAFETY: whoever spawns has the runtime or a counted pointer to its memory, and nothing
        // ends in here.
        unsafe { &*self.0 }.adopt(task)
    }

    #[inline]
    fn disown(&self, key: usize) -> Option<TaskRef> {
        self.with(|shared, on_worker| {
            let listed = shared.disown(key);
            // A worker looks when it leaves, and a guest when its job is done.
            if !on_worker {
                shared.settle_share();
            }
            listed
        })
    }
}
