//! Running other work from within a job.

use crate::worker::Worker;

impl Worker {
    /// Runs one piece of the pool's work, of whomever; `false` when there was none.
    pub fn yield_now(&self) -> bool {
        self.run_any()
    }

    /// Runs the newest job of this worker's own queue, or else the oldest of those that it has no
    /// room for; `false` when there was none.
    pub fn yield_local(&self) -> bool {
        match self.pop().or_else(|| self.take_spilled()) {
            Some(job) => {
                self.run_queued(job);
                true
            }
            None => false,
        }
    }

    /// Whether something lies in this worker's own queues; others may take it at any moment.
    pub fn has_pending(&self) -> bool {
        self.has_jobs() || self.seat().split.exposed() != 0
    }
}

/// What a yield did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// It ran a piece of work.
    Executed,
    /// There was none.
    Idle,
}

impl From<bool> for Yield {
    fn from(ran: bool) -> Self {
        if ran { Self::Executed } else { Self::Idle }
    }
}

/// Runs one piece of the pool's work, of whomever; `None` outside of every pool.
pub fn yield_now() -> Option<Yield> {
    Worker::current().map(|worker| worker.yield_now().into())
}

/// Runs the newest job of the current worker's own queue; `None` outside of every pool.
pub fn yield_local() -> Option<Yield> {
    Worker::current().map(|worker| worker.yield_local().into())
}
