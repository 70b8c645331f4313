//! The models, and what some of them offer for jobs that keep a worker for long.
//!
//! `mini-executor` and tokio have threads of their own for what blocks, and a job may hand its worker's
//! place on. `pool-workstealing` has neither: whoever gives it such jobs gives it more workers, by
//! `resize`. The other pools can only be built anew.

use anyhow::anyhow;
use exec_core::Handle;
use kernel_bridge::Host;
use mini_executor::{Runtime, Spawner};
use record::{Model, way};

use crate::model;
use crate::peers::TokioRuntime;

/// A model, and how it is given the jobs that keep a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Like any other job.
    Plain(Model),
    /// To the threads that the runtime has for what blocks.
    Offload(Model),
    /// Like any other job, which tells the runtime that it will keep its worker.
    InPlace(Model),
    /// Like any other job, to a pool that was given as many workers more as there are such jobs.
    Resized(Model),
}

impl Way {
    pub(super) const ALL: &[Self] = &[
        Self::Plain(Model::OneToOne),
        Self::Plain(Model::PoolBasic),
        Self::Plain(Model::PoolBasicCrossbeam),
        Self::Plain(Model::PoolWorkstealing),
        Self::Resized(Model::PoolWorkstealing),
        Self::Plain(Model::MiniExecutor),
        Self::Offload(Model::MiniExecutor),
        Self::InPlace(Model::MiniExecutor),
        Self::Plain(Model::Rayon),
        Self::Plain(Model::Tokio),
        Self::Offload(Model::Tokio),
        Self::InPlace(Model::Tokio),
    ];

    pub(super) const fn model(self) -> Model {
        match self {
            Self::Plain(model)
            | Self::Offload(model)
            | Self::InPlace(model)
            | Self::Resized(model) => model,
        }
    }

    /// The name in the tables: the model's, and its own word for the way.
    pub(super) fn name(self) -> String {
        let model = self.model();
        let way = match (self, model) {
            (Self::Plain(_), _) => return model.name().to_owned(),
            (Self::Offload(_), Model::Tokio) => way::SPAWN_BLOCKING,
            (Self::Offload(_), _) => way::UNBLOCK,
            (Self::InPlace(_), _) => way::IN_PLACE,
            (Self::Resized(_), _) => way::RESIZE,
        };
        format!("{model}-{way}")
    }

    /// Builds the model, for so many jobs that keep a worker.
    pub(super) fn build(self, cpus: usize, jobs: usize) -> anyhow::Result<Pool> {
        if let Self::Resized(_) = self {
            let builder = pool_workstealing::ThreadPoolBuilder::new().num_threads(cpus);
            let pool = builder.max_threads(cpus + jobs).build()?;
            pool.resize(cpus + jobs)?;
            return Ok(Pool {
                way: self,
                handle: Handle::new(pool).into_dyn(),
                offload: Offload::None,
            });
        }
        Ok(match self.model() {
            Model::MiniExecutor => {
                let runtime = Runtime::builder().workers(cpus).build()?;
                let spawner = runtime.spawner();
                Pool {
                    way: self,
                    handle: Handle::new(runtime).into_dyn(),
                    offload: Offload::Mini(spawner),
                }
            }
            Model::Tokio => {
                let runtime = TokioRuntime::new(cpus)?;
                let native = runtime.native().clone();
                Pool {
                    way: self,
                    handle: Handle::new(runtime).into_dyn(),
                    offload: Offload::Tokio(native),
                }
            }
            other => Pool {
                way: self,
                handle: model::build(other, cpus)?,
                offload: Offload::None,
            },
        })
    }
}

/// Where a runtime takes what blocks.
#[derive(Clone)]
enum Offload {
    None,
    Mini(Spawner<Host>),
    Tokio(tokio::runtime::Handle),
}

/// A model that was built, and the way of the jobs that keep a worker.
#[derive(Clone)]
pub(super) struct Pool {
    way: Way,
    handle: Handle,
    offload: Offload,
}

impl Pool {
    /// For requests.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a job that keeps a worker.
    ///
    /// # Errors
    /// Where it is refused.
    pub(super) fn keep(&self, job: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
        let is_tokio = self.way.model() == Model::Tokio;
        let refused = |reason| anyhow!("a job was refused: {reason}");
        let executed = match (self.way, &self.offload) {
            (Way::Offload(_), Offload::Mini(spawner)) => {
                let spawned = spawner.try_spawn_blocking(job);
                spawned.map_err(|error| refused(error.reason))?.detach();
                return Ok(());
            }
            (Way::Offload(_), Offload::Tokio(runtime)) => {
                drop(runtime.spawn_blocking(job));
                return Ok(());
            }
            (Way::InPlace(_), _) if is_tokio => {
                self.handle.execute(|| tokio::task::block_in_place(job))
            }
            (Way::InPlace(_), _) => self.handle.execute(|| mini_executor::block_in_place(job)),
            _ => self.handle.execute(job),
        };
        executed.map_err(|error| refused(error.reason))
    }
}
