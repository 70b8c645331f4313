//! A thread that is no worker, and runs one job as a worker would.
//!
//! # Shutdown
//! What the job leaves queued goes to the injector, where the shutdown finds it.

use alloc::{sync::Arc, vec::Vec};

use exec_core::{
    Job, JobId, Threads,
    sync::atomic::{
        Ordering::{Relaxed, SeqCst},
        fence,
    },
    wait::{Completion, WaitMode, Waited, park_until},
};

use super::Worker;
use crate::{
    context::{self, Context, Role, WaitFn},
    driver::Bell,
    owned::Owner,
    queue::local::Local,
    shared::Shared,
};

impl<T: Threads> Worker<T> {
    /// Runs one job on a thread that is no worker, as a worker would: what it spawns and wakes is
    /// queued here first, where the workers may take it, and moves to the injector at the end.
    pub(crate) fn run_as_guest(
        shared: &Arc<Shared<T>>,
        parts: (Local, Owner),
        job: Job,
    ) -> (Local, Owner) {
        let index = shared.workers;
        let bell = Bell::new(shared.ground, shared.driver.clone());
        let role = (Role::Worker, Self::wait_as_guest as WaitFn);
        let worker = Self::new(shared.clone(), index, parts, bell, role);
        shared.guest_runs.store(true, Relaxed);
        // ORDERING: pairs with the fence in `Idle::announce`: who falls asleep sees that a guest
        // runs, or the guest finds the watch left (`watch.rs`).
        fence(SeqCst);
        context::enter(shared.ground, &worker, || {
            worker.execute(job);
            worker.hand_over();
        });
        shared.guest_runs.store(false, Relaxed);
        (worker.queue, worker.tasks)
    }

    /// Moves what is queued here to the injector.
    pub(crate) fn hand_over(&self) {
        let mut jobs = Vec::from_iter(self.queue.take_next());
        jobs.extend(core::iter::from_fn(|| self.queue.pop()));
        if !jobs.is_empty() {
            self.shared.inject_all(jobs);
        }
    }

    /// How a guest waits: it has no place among the sleepers, so it hands over what it has and
    /// parks.
    ///
    /// # Safety
    /// As [`wait_erased`](Self::wait_erased).
    unsafe fn wait_as_guest(
        context: *const Context,
        done: &dyn Completion,
        mode: WaitMode,
    ) -> Waited {
        // SAFETY: by the caller; the worker's frame is below this one.
        let worker = unsafe { &*context.cast::<Self>() };
        let awaited = done.job();
        if awaited != JobId::NONE && awaited == worker.current.get() {
            return Waited::WouldDeadlock;
        }
        worker.hand_over();
        park_until(&worker.shared.ground, done, mode.until)
    }
}
