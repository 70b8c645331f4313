//! Units that are threads, or jobs of a model.

use std::marker::PhantomData;
use std::thread;

use exec_core::{Handle, Job, JoinHandle, ThreadSpec, Threads as _};
use kernel_bridge::Host;
use record::Model;

use super::gate::Gate;
use super::kind::{Look, Units};
use crate::model;

/// A thread of some kind, started and joined.
pub(super) trait Unit: Sized {
    /// Starts one.
    fn start(body: impl FnOnce() + Send + 'static) -> anyhow::Result<Self>;

    /// Waits for its end.
    fn join(self) -> anyhow::Result<()>;
}

/// std's.
pub(super) type StdThread = thread::JoinHandle<()>;

impl Unit for StdThread {
    fn start(body: impl FnOnce() + Send + 'static) -> anyhow::Result<Self> {
        Ok(thread::Builder::new().spawn(body)?)
    }

    fn join(self) -> anyhow::Result<()> {
        let ended = thread::JoinHandle::join(self);
        ended.map_err(|_| anyhow::anyhow!("a thread panicked"))
    }
}

/// The ground's, as a scheduler of ours has it.
pub(super) struct BridgeThread(<Host as exec_core::Threads>::Thread);

impl Unit for BridgeThread {
    fn start(body: impl FnOnce() + Send + 'static) -> anyhow::Result<Self> {
        let created = Host.create(&ThreadSpec::new(), Job::new(body));
        let created = created.map_err(|error| anyhow::anyhow!("no thread: {:?}", error.reason));
        created.map(Self)
    }

    fn join(self) -> anyhow::Result<()> {
        let status = Host.join(self.0);
        let status = status.map_err(|error| anyhow::anyhow!("a join: {error}"))?;
        anyhow::ensure!(status == 0, "a thread ended with {status}");
        Ok(())
    }
}

/// Units that are threads of one kind.
pub(super) struct Threads<T>(PhantomData<T>);

impl<T: Unit> Threads<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }

    fn start(units: u64, body: impl Fn() + Clone + Send + 'static) -> anyhow::Result<Vec<T>> {
        (0..units).map(|_| T::start(body.clone())).collect()
    }

    fn join(started: Vec<T>) -> anyhow::Result<()> {
        started.into_iter().try_for_each(T::join)
    }
}

impl<T: Unit> Units for Threads<T> {
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
