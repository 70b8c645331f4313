//! The kinds of units, and what one must be able to do.

use std::ops::RangeInclusive;

use record::Model;

use super::limits::Needs;
use super::processes::{Exec, Fork, Prefork};
use super::tasks::{RayonJobs, Tasks, TokioTasks};
use super::threads::{BridgeThread, Jobs, StdThread, Threads};
use crate::experiments::Setting;
use crate::usage::Children;

/// A kind of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program again: fork and exec.
    ProcessExec,
    /// A copy of this process.
    ProcessFork,
    /// A job of `pool-process`; in memory, one of its workers.
    PoolProcess,
    /// std's thread.
    Thread,
    /// A thread of `kernel-bridge`.
    Bridge,
    /// A job of a model, or a task of one whose units are tasks.
    Model(Model),
    /// rayon's own job in a scope.
    RayonNative,
    /// tokio's own task.
    TokioNative,
}

/// Units of one kind, ready to be made.
pub(super) trait Units {
    /// Makes so many that end at once, and waits until all have ended.
    fn make(&mut self, units: u64) -> anyhow::Result<()>;

    /// Makes so many that wait, and looks at the memory before and meanwhile.
    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()>;

    /// What other processes have done for the units so far.
    fn elsewhere(&self) -> anyhow::Result<Children> {
        Ok(Children::default())
    }
}

/// Looks at the memory of this process and of others.
pub(super) trait Look {
    /// Right before the units are made, when all else is there.
    fn before(&mut self) -> anyhow::Result<()>;
    /// While all units wait; these processes are theirs.
    fn during(&mut self, processes: &[i32]) -> anyhow::Result<()>;
}

impl Kind {
    /// Every kind, in the order of the tables: the heaviest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let before = [
            Self::ProcessExec,
            Self::ProcessFork,
            Self::PoolProcess,
            Self::Thread,
            Self::Bridge,
        ];
        let models = Model::ALL.iter().map(|model| Self::Model(*model));
        let natives = [Self::RayonNative, Self::TokioNative];
        before.into_iter().chain(models).chain(natives)
    }

    /// The subject.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ProcessExec => "process-exec",
            Self::ProcessFork => "process-fork",
            Self::PoolProcess => "pool-process",
            Self::Thread => "thread",
            Self::Bridge => "kernel-bridge",
            Self::Model(model) => model.name(),
            Self::RayonNative => "rayon-native",
            Self::TokioNative => "tokio-native",
        }
    }

    /// What the system has to give for each.
    pub(super) fn needs(self) -> Needs {
        match self {
            Self::ProcessExec | Self::ProcessFork => Needs::Process,
            Self::Thread | Self::Bridge | Self::Model(Model::OneToOne) => Needs::Thread,
            Self::PoolProcess | Self::Model(_) | Self::RayonNative | Self::TokioNative => {
                Needs::Memory
            }
        }
    }

    /// Whether it is done in other processes.
    pub(super) fn is_process(self) -> bool {
        matches!(
            self,
            Self::ProcessExec | Self::ProcessFork | Self::PoolProcess
        )
    }

    /// The most that are made at once, where the system allows it.
    pub(super) fn most(self, setting: &Setting) -> u64 {
        match (self, self.needs()) {
            (_, Needs::Process) => setting.pick(100, 1_000),
            (_, Needs::Thread) => 10_000,
            (Self::PoolProcess, _) => setting.pick(10_000, 100_000),
            (_, Needs::Memory) => setting.pick(10_000, 1_000_000),
        }
    }

    /// The fewest and the most whose memory is measured while they wait.
    ///
    /// A job or a task takes less than a page, and allocators hand out memory by the page: few of
    /// them show nothing. Of `pool-process`, its workers are meant.
    pub(super) fn waiting(self, setting: &Setting) -> RangeInclusive<u64> {
        match (self, self.needs()) {
            (Self::PoolProcess, _) => 100..=100,
            (_, Needs::Process | Needs::Thread) => 100..=self.most(setting),
            (_, Needs::Memory) => 10_000..=self.most(setting),
        }
    }

    /// Builds what makes them, with this many workers where there are workers.
    pub(super) fn build(self, cpus: usize) -> anyhow::Result<Box<dyn Units>> {
        Ok(match self {
            Self::ProcessExec => Box::new(Exec::new()?),
            Self::ProcessFork => Box::new(Fork),
            Self::PoolProcess => Box::new(Prefork::new(cpus)?),
            Self::Thread => Box::new(Threads::<StdThread>::new()),
            Self::Bridge => Box::new(Threads::<BridgeThread>::new()),
            Self::Model(model @ (Model::MiniExecutor | Model::Tokio)) => {
                Box::new(Tasks::new(model, cpus)?)
            }
            Self::Model(model) => Box::new(Jobs::new(model, cpus)?),
            Self::RayonNative => Box::new(RayonJobs::new(cpus)?),
            Self::TokioNative => Box::new(TokioTasks::new(cpus)?),
        })
    }
}
