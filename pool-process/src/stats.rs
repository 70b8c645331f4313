//! What the pool counts beyond what every model counts.

use core::fmt;

/// What has become of the workers since the pool was built.
///
/// Counters are exact only when the pool is quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Workers that serve or are being started.
    pub alive: usize,
    /// Processes that were started.
    pub started: u64,
    /// Workers that ended while nobody had asked them to, with a job or without.
    pub died: u64,
    /// Workers that were killed because their job's time was up.
    pub timed_out: u64,
    /// Jobs that were given to another worker, since theirs had died before it began them.
    pub retried: u64,
}

impl fmt::Display for WorkerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} alive, {} started, {} died, {} timed out, {} jobs retried",
            self.alive, self.started, self.died, self.timed_out, self.retried
        )
    }
}
