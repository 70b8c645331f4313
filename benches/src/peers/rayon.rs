//! rayon behind our trait.

use std::sync::Arc;
use std::time::Duration;

use exec_core::wait::{Completion, WaitMode, Waited, Waiter, park_until};
use exec_core::{
    Caps, Executor, Ground, Job, Meta, Nested, Reason, Rejected, Shutdown, ShutdownReport, Stats,
    StdGround, Ticket,
};

use super::ledger::Ledger;

/// A rayon thread pool as an executor.
#[derive(Debug)]
pub struct RayonPool {
    pool: rayon::ThreadPool,
    ledger: Arc<Ledger>,
}

impl RayonPool {
    /// Starts a pool of this many threads.
    ///
    /// # Errors
    /// Where a thread could not be started.
    pub fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()?;
        Ok(Self {
            pool,
            ledger: Arc::default(),
        })
    }

    /// rayon itself, for rows without our trait.
    #[must_use]
    pub fn native(&self) -> &rayon::ThreadPool {
        &self.pool
    }
}

impl Executor for RayonPool {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        if !self.ledger.admit() {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        let ledger = Arc::clone(&self.ledger);
        self.pool.spawn(move || ledger.run(job));
        Ok(Ticket::shared())
    }

    fn waiter(&self) -> &'static dyn Waiter {
        &RayonWaiter
    }

    fn ground(&self) -> &dyn Ground {
        &StdGround
    }

    fn caps(&self) -> Caps {
        Caps::new("rayon", self.pool.current_num_threads())
            .parallel_join(true)
            .nested(Nested::HelpsAny)
    }

    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        self.pool.join(a, b);
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.ledger.close(how)
    }

    fn stats(&self) -> Stats {
        self.ledger.stats(self.pool.current_num_threads())
    }
}

/// A worker of rayon's that waits runs other jobs meanwhile; any other thread parks.
struct RayonWaiter;

/// How long a worker that found nothing to run parks before it looks again: rayon wakes
/// sleeping workers, but has no call for sleeping as one.
const NAP: Duration = Duration::from_micros(100);

impl Waiter for RayonWaiter {
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        if rayon::current_thread_index().is_none() {
            return park_until(&StdGround, done, mode.until);
        }
        loop {
            if done.is_done() {
                return Waited::Done;
            }
            let now = StdGround.now();
            if mode.until.is_some_and(|until| now >= until) {
                return Waited::TimedOut;
            }
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                continue;
            }
            let nap = now.saturating_add(NAP);
            let until = mode.until.map_or(nap, |until| until.min(nap));
            if park_until(&StdGround, done, Some(until)) == Waited::Done {
                return Waited::Done;
            }
        }
    }
}
