//! Units that are threads, or jobs of a model.

use std::thread;

use exec_core::{Handle, Job, JoinHandle, ThreadSpec, Threads as _};
use kernel_bridge::Host;
use record::Model;

use super::gate::Gate;
use super::kind::{Look, Units};
use crate::model;

/// std's threads.
pub(super) struct StdThreads;

impl StdThreads {
    fn start(
        units: u64,
        body: impl Fn() + Clone + Send + 'static,
    ) -> anyhow::Result<Vec<thread::JoinHandle<()>>> {
        let start = |_| thread::Builder::new().spawn(body.clone());
        Ok((0..units).map(start).collect::<Result<_, _>>()?)
    }

    fn join(started: Vec<thread::JoinHandle<()>>) -> anyhow::Result<()> {
        for thread in started {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("a thread panicked"))?;
        }
        Ok(())
    }
}

impl Units for StdThreads {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        Self::join(Self::start(units, || ())?)
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        let gate = Gate::default();
        let visitor = gate.visitor();
        look.before()?;
        let started = Self::start(units, move || visitor.pass())?;
        gate.wait_for(units);
        look.during(&[])?;
        drop(gate);
        Self::join(started)
    }
}

/// The ground's threads, as a scheduler of ours has them.
pub(super) struct BridgeThreads;

impl BridgeThreads {
    fn start(
        units: u64,
        body: impl Fn() + Clone + Send + 'static,
    ) -> anyhow::Result<Vec<<Host as exec_core::Threads>::Thread>> {
        let start = |_| {
            let created = Host.create(&ThreadSpec::new(), Job::new(body.clone()));
            created.map_err(|error| anyhow::anyhow!("no thread: {:?}", error.reason))
        };
        (0..units).map(start).collect()
    }

    fn join(started: Vec<<Host as exec_core::Threads>::Thread>) -> anyhow::Result<()> {
        for thread in started {
            let status = Host.join(thread);
            let status = status.map_err(|error| anyhow::anyhow!("a join: {error}"))?;
            anyhow::ensure!(status == 0, "a thread ended with {status}");
        }
        Ok(())
    }
}

impl Units for BridgeThreads {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        Self::join(Self::start(units, || ())?)
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        let gate = Gate::default();
        let visitor = gate.visitor();
        look.before()?;
        let started = Self::start(units, move || visitor.pass())?;
        gate.wait_for(units);
        look.during(&[])?;
        drop(gate);
        Self::join(started)
    }
}

/// Jobs of a model.
pub(super) struct Jobs {
    handle: Handle,
    model: Model,
    cpus: usize,
}

impl Jobs {
    pub(super) fn new(model: Model, cpus: usize) -> anyhow::Result<Self> {
        let handle = model::build(model, cpus)?;
        Ok(Self {
            handle,
            model,
            cpus,
        })
    }

    fn start(&self, units: u64, body: impl Fn() + Clone + Send + 'static) -> Vec<JoinHandle<()>> {
        (0..units)
            .map(|_| self.handle.spawn(body.clone()))
            .collect()
    }
}

/// Waits for jobs or tasks of ours.
pub(super) fn join(started: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    started
        .into_iter()
        .try_for_each(JoinHandle::join)
        .map_err(|error| anyhow::anyhow!("a job: {error}"))
}

impl Units for Jobs {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        join(self.start(units, || ()))
    }

    /// A job that has a thread of its own waits in it; any other one waits in the queue.
    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        let gate = Gate::default();
        let visitor = gate.visitor();
        if self.model == Model::OneToOne {
            look.before()?;
            let started = self.start(units, move || visitor.pass());
            gate.wait_for(units);
            look.during(&[])?;
            drop(gate);
            return join(started);
        }
        let workers = u64::try_from(self.cpus)?;
        let busy = self.start(workers, move || visitor.pass());
        gate.wait_for(workers);
        look.before()?;
        let started = self.start(units, || ());
        look.during(&[])?;
        drop(gate);
        join(busy)?;
        join(started)
    }
}
