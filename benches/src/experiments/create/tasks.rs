//! Units that are tasks of an async executor, and rayon's own jobs.

use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll};

use anyhow::Context as _;
use exec_core::Handle;
use record::Model;

use super::gate::Gate;
use super::kind::{Look, Units};
use super::threads::join;
use crate::model;
use crate::peers::{RayonPool, TokioRuntime};

/// Waits for ever, and tells of its first poll.
struct Waiting(Option<Sender<()>>);

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if let Some(sender) = self.0.take() {
            // The receiver waits for all of them.
            let _ = sender.send(());
        }
        Poll::Pending
    }
}

/// Starts tasks that wait for ever, and looks at the memory meanwhile. Nobody ends them: the
/// process of this case does, right after.
fn hold<T>(
    units: u64,
    look: &mut dyn Look,
    mut spawn: impl FnMut(Waiting) -> T,
) -> anyhow::Result<()> {
    let mut tasks = Vec::new();
    let (sender, polled) = channel();
    look.before()?;
    tasks.reserve_exact(usize::try_from(units)?);
    tasks.extend((0..units).map(|_| spawn(Waiting(Some(sender.clone())))));
    for _ in 0..units {
        polled.recv().context("a task was dropped")?;
    }
    look.during(&[])?;
    std::mem::forget(tasks);
    Ok(())
}

/// Tasks of a model.
pub(super) struct Tasks(Handle);

impl Tasks {
    pub(super) fn new(model: Model, cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(model::build(model, cpus)?))
    }
}

impl Units for Tasks {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        join((0..units).map(|_| self.0.spawn_async(async {})).collect())
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        hold(units, look, |waiting| self.0.spawn_async(waiting))
    }
}

/// tokio's tasks without our trait.
pub(super) struct TokioTasks(TokioRuntime);

impl TokioTasks {
    pub(super) fn new(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(TokioRuntime::new(cpus)?))
    }
}

impl Units for TokioTasks {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        let runtime = self.0.native();
        let started: Vec<_> = (0..units).map(|_| runtime.spawn(async {})).collect();
        runtime.block_on(async {
            for task in started {
                task.await?;
            }
            Ok(())
        })
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        hold(units, look, |waiting| self.0.native().spawn(waiting))
    }
}

/// rayon's jobs without our trait: in a scope, since it has no handle to wait for.
pub(super) struct RayonJobs {
    pool: RayonPool,
    cpus: usize,
}

impl RayonJobs {
    pub(super) fn new(cpus: usize) -> anyhow::Result<Self> {
        let pool = RayonPool::new(cpus)?;
        Ok(Self { pool, cpus })
    }
}

impl Units for RayonJobs {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        self.pool.native().in_place_scope(|scope| {
            for _ in 0..units {
                scope.spawn(|_| ());
            }
        });
        Ok(())
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        let workers = u64::try_from(self.cpus)?;
        self.pool.native().in_place_scope(|scope| {
            let gate = Gate::default();
            for _ in 0..workers {
                let visitor = gate.visitor();
                scope.spawn(move |_| visitor.pass());
            }
            gate.wait_for(workers);
            look.before()?;
            for _ in 0..units {
                scope.spawn(|_| ());
            }
            look.during(&[])
        })
    }
}
