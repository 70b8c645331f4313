//! Giving a worker's time to the pool from within a closure.

use pool_workstealing::Worker;

/// What became of a yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// Something was there, and was run.
    Executed,
    /// Nothing was there.
    Idle,
}

impl Yield {
    fn of(executed: bool) -> Self {
        if executed { Self::Executed } else { Self::Idle }
    }
}

/// Runs one piece of the pool's work, of whomever; `None` on a thread that is no worker.
///
/// It doesn't give the CPU away: a loop that finds nothing should also yield to the system.
pub fn yield_now() -> Option<Yield> {
    Worker::with_current(|worker| worker.map(|worker| Yield::of(worker.yield_now())))
}

/// Runs one closure of this worker's own queue; `None` on a thread that is no worker.
pub fn yield_local() -> Option<Yield> {
    Worker::with_current(|worker| worker.map(|worker| Yield::of(worker.yield_local())))
}

/// Whether something lies in this worker's own queue; `None` on a thread that is no worker.
///
/// A hint: others may take it at any moment.
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    Worker::with_current(|worker| worker.map(Worker::has_pending))
}
