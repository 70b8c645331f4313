//! The pools that take jobs, behind one trait as thin as they are.

use std::sync::mpsc;

use anyhow::ensure;
use pool_workstealing::WaitPolicy;

use crate::peers::TextbookPool;

/// A pool that takes jobs from anywhere.
///
/// A started pool is never ended: a sample's process ends with it.
pub(super) trait Spawn: Sized + Send + Sync + 'static {
    /// Starts so many workers.
    fn start(cpus: usize) -> anyhow::Result<Self>;

    /// Queues a job; on a worker of this pool by the way that is meant for workers.
    fn spawn(&self, job: impl FnOnce() + Send + 'static);

    /// Runs a closure on the pool and waits for its result, by the pool's own way if it has one.
    fn call<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.spawn(move || {
            // The receiver waits below.
            let _ = sender.send(f());
        });
        receiver.recv().expect("invariant: the job sends")
    }
}

/// Starts a pool for as long as this process lives.
pub(super) fn start<P: Spawn>(cpus: usize) -> anyhow::Result<&'static P> {
    Ok(Box::leak(Box::new(P::start(cpus)?)))
}

/// The pool that all this is about.
pub(super) struct Workstealing(pub(super) pool_workstealing::ThreadPool);

impl Workstealing {
    pub(super) fn with(policy: WaitPolicy, cpus: usize) -> anyhow::Result<Self> {
        let builder = pool_workstealing::ThreadPoolBuilder::new();
        Ok(Self(builder.num_threads(cpus).wait_policy(policy).build()?))
    }
}

impl Spawn for Workstealing {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        Self::with(WaitPolicy::default(), cpus)
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn(job);
    }

    fn call<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        self.0.install(f)
    }
}

/// Our classic pool.
pub(super) struct Basic(pool_basic::ThreadPool);

impl Spawn for Basic {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(pool_basic::ThreadPool::new(cpus)?))
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0
            .execute(job)
            .expect("invariant: nobody shuts the pool down");
    }

    fn call<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        self.0.spawn(f).join().expect("invariant: no job panics")
    }
}

/// rayon, on its own core or on ours.
pub(super) struct AnyRayon<const ON_OURS: bool>(pub(super) rayon::ThreadPool);

/// rayon as published.
pub(super) type Rayon = AnyRayon<false>;
/// The same, over `compat/rayon-core`.
pub(super) type RayonOnOurs = AnyRayon<true>;

/// Checks that this program was built with the core that the subject's name says.
///
/// The two differ in how many threads they allow.
pub(super) fn check_core(on_ours: bool) -> anyhow::Result<()> {
    let is_ours = rayon::max_num_threads() == pool_workstealing::MAX_THREADS;
    ensure!(
        is_ours == on_ours,
        "this program has rayon on {} core",
        if is_ours { "our" } else { "its own" }
    );
    Ok(())
}

impl<const ON_OURS: bool> Spawn for AnyRayon<ON_OURS> {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        check_core(ON_OURS)?;
        let builder = rayon::ThreadPoolBuilder::new();
        Ok(Self(builder.num_threads(cpus).build()?))
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.spawn(job);
    }

    fn call<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        self.0.install(f)
    }
}

/// The `threadpool` crate.
pub(super) struct Threadpool(threadpool::ThreadPool);

impl Spawn for Threadpool {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(threadpool::ThreadPool::new(cpus)))
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.execute(job);
    }
}

/// The pool of the textbook.
pub(super) struct Book(TextbookPool);

impl Spawn for Book {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(TextbookPool::new(cpus)))
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.0.execute(job);
    }
}

/// The work-stealing pool of the `executors` crate.
#[cfg(feature = "peers")]
pub(super) struct ExecutorsWs(
    executors::crossbeam_workstealing_pool::ThreadPool<executors::parker::DynParker>,
);

#[cfg(feature = "peers")]
impl Spawn for ExecutorsWs {
    fn start(cpus: usize) -> anyhow::Result<Self> {
        let start = executors::crossbeam_workstealing_pool::pool_with_auto_parker;
        Ok(Self(start(cpus)))
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        executors::Executor::execute(&self.0, job);
    }
}
