//! Numbers of a runtime: what it has done, and what waits.

use alloc::vec::Vec;
use core::time::Duration;

use exec_core::Threads;

use crate::{counters::Counters, shared::Shared};

/// What a runtime has done and has to do, by [`Runtime::metrics`](crate::Runtime::metrics).
///
/// The numbers are read one after another while work goes on, so they fit together only when
/// nothing runs. Counters only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks and closures taken.
    pub spawns: u64,
    /// Polls of tasks, and closures run.
    pub polls: u64,
    /// Wakes that queued a task; those that found it queued are not counted.
    pub wakes: u64,
    /// Tasks taken from another worker.
    pub steals: u64,
    /// Times that a worker went to sleep.
    pub parks: u64,
    /// Times that a worker was woken by one that had work.
    pub unparks: u64,
    /// Times that a poll was out of its budget.
    pub budget_yields: u64,
    /// The longest poll, where polls are timed: in a runtime that observes or records.
    pub longest_poll: Duration,
    /// Tasks that have not ended.
    pub alive: u64,
    /// Jobs in the queue of all.
    pub injected: u64,
    /// Closures that wait for a thread that may block, or run on one.
    pub blocking: u64,
    /// Spare threads that stand in for workers that block.
    pub spares: u64,
    /// Each worker, then the guest (a thread in `block_on`), then the spare threads.
    pub workers: Vec<WorkerMetrics>,
}

/// One worker of [`Metrics`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// As [`Metrics::polls`].
    pub polls: u64,
    /// As [`Metrics::steals`].
    pub steals: u64,
    /// As [`Metrics::parks`].
    pub parks: u64,
    /// As [`Metrics::unparks`].
    pub unparks: u64,
    /// As [`Metrics::budget_yields`].
    pub budget_yields: u64,
    /// As [`Metrics::longest_poll`].
    pub longest_poll: Duration,
    /// Jobs in its queue.
    pub queued: u64,
    /// Whether it is in a poll or a closure.
    pub running: bool,
}

impl WorkerMetrics {
    fn of(counters: &Counters, queued: u64) -> Self {
        Self {
            polls: counters.ran.get(),
            steals: counters.steals.get(),
            parks: counters.parks.get(),
            unparks: counters.wakes.get(),
            budget_yields: counters.budget_yields.get(),
            longest_poll: Duration::from_nanos(counters.longest_ns.get()),
            queued,
            running: counters.running.get() > 0,
        }
    }
}

impl<T: Threads> Shared<T> {
    pub(crate) fn metrics(&self) -> Metrics {
        let mut sum = Metrics {
            injected: self.injector.len(),
            blocking: self.blocking.pending() as u64,
            spares: self.spares.seated() as u64,
            alive: self.shards().map(|shard| shard.live() as u64).sum(),
            ..Metrics::default()
        };
        let all = self.used().iter().map(|remote| &**remote.counters);
        for counters in all.chain([&*self.outside]) {
            let wakes = counters.wakes_of_tasks.get();
            sum.wakes += wakes;
            sum.spawns += counters.scheduled.get().saturating_sub(wakes);
            sum.polls += counters.ran.get();
            sum.steals += counters.steals.get();
            sum.parks += counters.parks.get();
            sum.unparks += counters.wakes.get();
            sum.budget_yields += counters.budget_yields.get();
            let longest = Duration::from_nanos(counters.longest_ns.get());
            sum.longest_poll = sum.longest_poll.max(longest);
        }
        sum.workers = self
            .used()
            .iter()
            .map(|remote| {
                let next = u64::from(remote.queue.has_next());
                let queued = u64::from(remote.queue.len()) + next;
                WorkerMetrics::of(&remote.counters, queued)
            })
            .collect();
        sum
    }
}
