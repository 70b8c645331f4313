//! The `forte` crate: its pools are statics, of which a sample needs one.

use forte::{ThreadPool, Worker};

use super::fork_join::{ForkJoin, Program, programs};
use super::subjects::Spawn;

static POOL: ThreadPool = ThreadPool::new();

/// The pool of this process, as jobs go to it.
pub(super) struct Forte;

impl Spawn for Forte {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        POOL.resize_to(cpus);
        Ok(Self)
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        POOL.spawn(|_: &Worker| job());
    }
}

/// The same with the caller's thread as one of the workers, as it is while it is inside.
pub(super) struct ForteAndCaller;

impl ForkJoin for ForteAndCaller {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        POOL.resize_to(cpus.saturating_sub(1));
        Ok(Self)
    }

    fn run(&self, program: Program<'_>, times: u64) -> u64 {
        programs!(worker: &Worker, Worker::join);
        POOL.with_worker(|worker| repeat(worker, program, times))
    }
}
