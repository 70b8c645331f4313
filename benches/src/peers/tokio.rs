//! tokio's multi-thread runtime behind our trait.
//!
//! A job is a tokio task that runs it in its one poll, so each wake of a future costs a
//! tokio spawn: what a runtime behind a closure interface costs. The native rows beside it
//! show tokio as its own users have it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use exec_core::wait::{Completion, WaitMode, Waited, Waiter, park_until};
use exec_core::{
    Caps, Executor, Ground, Job, Meta, Nanos, Nested, Reason, Rejected, Shutdown, ShutdownReport,
    Stats, StdGround, Ticket, fork_join,
};
use tokio::runtime::{Builder, Runtime};

use super::ledger::Ledger;

/// A tokio runtime as an executor.
#[derive(Debug)]
pub struct TokioRuntime {
    /// Taken by the drop only.
    runtime: Option<Runtime>,
    workers: usize,
    ledger: Arc<Ledger>,
}

impl TokioRuntime {
    /// Starts a runtime of this many workers, with timers.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(workers: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_time()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            workers,
            ledger: Arc::default(),
        })
    }

    /// tokio itself, for rows without our trait.
    ///
    /// # Panics
    /// Never: the runtime is there until the drop.
    #[must_use]
    pub fn native(&self) -> &tokio::runtime::Handle {
        self.runtime
            .as_ref()
            .expect("invariant: taken by the drop only")
            .handle()
    }
}

impl Drop for TokioRuntime {
    fn drop(&mut self) {
        // The last handle may go in a task: dropping a runtime there would panic.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Executor for TokioRuntime {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        if !self.ledger.admit() {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        let ledger = Arc::clone(&self.ledger);
        self.native().spawn(async move { ledger.run(job) });
        Ok(Ticket::shared())
    }

    fn waiter(&self) -> &'static dyn Waiter {
        &TokioWaiter
    }

    fn ground(&self) -> &dyn Ground {
        &StdGround
    }

    fn caps(&self) -> Caps {
        Caps::new("tokio", self.workers)
            .parallel_join(true)
            .nested(Nested::Compensates)
    }

    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        fork_join(self, a, b);
    }

    fn wake_at(&self, until: Nanos, waker: &Waker) -> bool {
        let waker = waker.clone();
        let left: Duration = until.saturating_since(StdGround.now());
        self.native().spawn(async move {
            tokio::time::sleep(left).await;
            waker.wake();
        });
        true
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.ledger.close(how)
    }

    fn stats(&self) -> Stats {
        self.ledger.stats(self.workers)
    }
}

/// A worker of tokio's that waits gives its place to another thread; any other thread parks.
struct TokioWaiter;

impl Waiter for TokioWaiter {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        if done.is_done() {
            return Waited::Done;
        }
        tokio::task::block_in_place(|| park_until(&StdGround, done, mode.until))
    }
}
