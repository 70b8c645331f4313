//! The sides of a pair, and what a pair must be able to do.

use std::sync::Arc;
use std::time::Duration;

use super::processes::Process;
use super::tasks::{Mini, Tasks, Tokio};
use super::threads::{Condition, Parking, Pipes, Threads, Yielding};
use super::working_set::WorkingSet;
use crate::switches::Switches;

/// Where the sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cpus {
    /// Both on one CPU.
    Same,
    /// Each on its own.
    Two,
}

/// Two sides that take turns.
pub(super) trait Pair {
    /// So many times: this side walks over its set and hands over, the other one does the same.
    ///
    /// # Errors
    /// Where a side has ended, or has not had its turns.
    fn go(&mut self, turns: u64) -> anyhow::Result<()>;

    /// The CPU time of another process so far, where the other side is one.
    ///
    /// # Errors
    /// Where it has ended.
    fn cpu_elsewhere(&self) -> anyhow::Result<Duration> {
        Ok(Duration::ZERO)
    }

    /// The context switches of another process so far, where the other side is one.
    ///
    /// # Errors
    /// Where it has ended.
    fn switches_elsewhere(&self) -> anyhow::Result<Switches> {
        Ok(Switches::default())
    }
}

/// What a side is, and how it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A process that reads from a pipe.
    ProcessPipe,
    /// A thread that does.
    ThreadPipe,
    /// A thread that parks.
    ThreadPark,
    /// A thread that waits for a condition under a lock.
    ThreadCondvar,
    /// A thread that gives way.
    ThreadYield,
    /// A task of `mini-executor` that waits for the other one's wake.
    MiniWake,
    /// The same of tokio.
    TokioWake,
    /// A task of `mini-executor` that gives way.
    MiniYield,
    /// The same of tokio.
    TokioYield,
}

impl Side {
    /// Every one, in the order of the tables.
    pub(super) const ALL: &'static [Self] = &[
        Self::ProcessPipe,
        Self::ThreadPipe,
        Self::ThreadPark,
        Self::ThreadCondvar,
        Self::ThreadYield,
        Self::MiniWake,
        Self::TokioWake,
        Self::MiniYield,
        Self::TokioYield,
    ];

    /// Those that are measured with working sets: some of each weight.
    pub(super) const WITH_SETS: &'static [Self] = &[
        Self::ProcessPipe,
        Self::ThreadPipe,
        Self::ThreadPark,
        Self::MiniYield,
        Self::TokioYield,
    ];

    /// The subject.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ProcessPipe => "process-pipe",
            Self::ThreadPipe => "thread-pipe",
            Self::ThreadPark => "thread-park",
            Self::ThreadCondvar => "thread-condvar",
            Self::ThreadYield => "thread-yield",
            Self::MiniWake => "mini-executor-wake",
            Self::TokioWake => "tokio-wake",
            Self::MiniYield => "mini-executor-yield",
            Self::TokioYield => "tokio-yield",
        }
    }

    /// Whether it waits to be woken, rather than give way until it is its turn.
    pub(super) fn waits(self) -> bool {
        !matches!(self, Self::ThreadYield | Self::MiniYield | Self::TokioYield)
    }

    /// Turns between two looks at the clock: starting tasks, once for all of these, must be little
    /// beside them.
    pub(super) fn a_while(self) -> u64 {
        match self {
            Self::MiniWake | Self::TokioWake => 1_000,
            Self::MiniYield | Self::TokioYield => 10_000,
            _ => 100,
        }
    }

    /// Builds a pair whose other side runs on that CPU.
    pub(super) fn build(
        self,
        other: usize,
        set: &Arc<WorkingSet>,
    ) -> anyhow::Result<Box<dyn Pair>> {
        Ok(match self {
            Self::ProcessPipe => Box::new(Process::start(other, set)?),
            Self::ThreadPipe => Box::new(Threads::start(Pipes::new()?, other, set)?),
            Self::ThreadPark => Box::new(Threads::start(Parking::new(), other, set)?),
            Self::ThreadCondvar => Box::new(Threads::start(Condition::new(), other, set)?),
            Self::ThreadYield => Box::new(Threads::start(Yielding::new(), other, set)?),
            Self::MiniWake => Box::new(Tasks::<Mini>::wake(other, set)?),
            Self::TokioWake => Box::new(Tasks::<Tokio>::wake(other, set)?),
            Self::MiniYield => Box::new(Tasks::<Mini>::give_way(set)?),
            Self::TokioYield => Box::new(Tasks::<Tokio>::give_way(set)?),
        })
    }
}
