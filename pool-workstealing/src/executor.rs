//! The pool as an [`Executor`], and how its workers wait for the generic layer.
//!
//! # Protocol of a wait
//! A thread that is no worker parks. A worker runs what the pool's policy allows, then spins,
//! then parks as blocked, with its own unparker subscribed to the completion.

use exec_core::{
    Caps, Executor, Ground, Job, Meta, Nested, Rejected, Shutdown, ShutdownReport, Stats,
    StdGround, Ticket, Wake,
    task::TaskRef,
    wait::{Completion, WaitMode, Waited, Waiter, park_until},
};

use crate::{install::install, policy::WaitPolicy, pool::ThreadPool, spawn, worker::Worker};

/// How threads wait for jobs of any pool of this crate.
#[derive(Debug)]
pub(crate) struct PoolWaiter;

/// The one waiter there is.
pub(crate) static WAITER: PoolWaiter = PoolWaiter;

impl Waiter for PoolWaiter {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        let Some(worker) = Worker::current() else {
            return park_until(&StdGround, done, mode.until);
        };
        if done.is_done() {
            return Waited::Done;
        }
        if mode.may_refuse && worker.is_inside(done.job()) {
            return Waited::WouldDeadlock;
        }
        let waker = StdGround.unparker();
        let over = || mode.until.is_some_and(|at| StdGround.now() >= at);
        let park = || {
            if !done.subscribe(&waker) {
                StdGround.park(mode.until);
            }
        };
        if worker.wait_for_own(|| done.is_done(), over, park) {
            Waited::Done
        } else {
            Waited::TimedOut
        }
    }

    fn runs_own_unstarted(&self) -> bool {
        Worker::current().is_some()
    }
}

impl Executor for ThreadPool {
    #[inline]
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        spawn::schedule(self.registry(), job)
    }

    fn reschedule(&self, job: Job, wake: Wake) -> Result<(), Rejected> {
        spawn::reschedule(self.registry(), job, wake)
    }

    fn adopt(&self, task: TaskRef) -> usize {
        self.registry().adopt(task)
    }

    fn disown(&self, key: usize) {
        self.registry().disown(key);
    }

    fn waiter(&self) -> &'static dyn Waiter {
        &WAITER
    }

    fn ground(&self) -> &dyn Ground {
        &StdGround
    }

    fn caps(&self) -> Caps {
        Caps::new("pool-workstealing", self.current_num_threads())
            .parallel_join(true)
            .nested(match self.registry().config.policy {
                WaitPolicy::Any => Nested::HelpsAny,
                _ => Nested::HelpsOwnSubtree,
            })
    }

    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        // The trait begins with `a`.
        install(self.registry(), |worker| match worker {
            Some(worker) => {
                worker.join_context(|_, _| a(), |_, _| b());
            }
            None => {
                a();
                b();
            }
        });
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.end(how)
    }

    fn stats(&self) -> Stats {
        self.registry().stats()
    }
}
