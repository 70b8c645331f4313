//! From a model's name to the model.

use exec_core::Handle;
use kernel_bridge::{Host, OneToOne};
use mini_executor::Runtime;
use pool_basic::{Queue, ThreadPool};
use record::Model;

use crate::peers::{RayonPool, TokioRuntime};

/// Builds a model with this many workers, where it has workers.
///
/// # Errors
/// Where its threads could not be started.
pub fn build(model: Model, cpus: usize) -> anyhow::Result<Handle> {
    Ok(match model {
        Model::OneToOne => Handle::new(OneToOne::<Host>::new()).into_dyn(),
        Model::MiniExecutor => Handle::new(Runtime::builder().workers(cpus).build()?).into_dyn(),
        Model::PoolBasic | Model::PoolBasicCrossbeam => {
            Handle::new(pool_basic(model, cpus)?).into_dyn()
        }
        Model::PoolWorkstealing => {
            Handle::new(pool_workstealing::ThreadPool::new(cpus)?).into_dyn()
        }
        Model::Rayon => Handle::new(RayonPool::new(cpus)?).into_dyn(),
        Model::Tokio => Handle::new(TokioRuntime::new(cpus)?).into_dyn(),
    })
}

/// Builds the classic pool over the queue that the model's name stands for.
///
/// # Errors
/// Where its threads could not be started.
pub(crate) fn pool_basic(
    model: Model,
    threads: usize,
) -> Result<ThreadPool, pool_basic::BuildError> {
    let queue = match model {
        Model::PoolBasicCrossbeam => Queue::Crossbeam,
        _ => Queue::default(),
    };
    ThreadPool::builder().threads(threads).queue(queue).build()
}
