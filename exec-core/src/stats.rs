//! The same counters for every model.

use core::fmt;

/// What an executor has done since it was built.
///
/// Counters are read one by one while workers run, so they are exact only when the executor is
/// quiet. A counter that a model cannot have (a pool without queues to steal from) is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs that were accepted, each wake of a future included.
    pub scheduled: u64,
    /// Jobs that were run to their end, or to their panic.
    pub ran: u64,
    /// Jobs that were dropped unrun.
    pub cancelled: u64,
    /// Jobs that panicked with nobody to join them.
    pub panicked: u64,
    /// Jobs that a worker took from another worker.
    pub steals: u64,
    /// Times that a worker went to sleep.
    pub parks: u64,
    /// Times that a worker was woken.
    pub wakes: u64,
    /// Threads that were created.
    pub threads: u64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} scheduled, {} ran, {} cancelled, {} panicked, {} steals, {} parks, {} wakes, \
             {} threads",
            self.scheduled,
            self.ran,
            self.cancelled,
            self.panicked,
            self.steals,
            self.parks,
            self.wakes,
            self.threads
        )
    }
}
