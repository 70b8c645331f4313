//! Running other work from within a job.

use crate::worker::Worker;

impl Worker {
    /// Runs one piece of the pool's work, of whomever; `false` when there was none.
    pub fn yield_now(&self) -> bool {
        self.run_any()
    }

    /// Runs the newest job of this worker's own queue; `false` when there was none.
    pub fn yield_local(&self) -> bool {
        match self.pop() {
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
