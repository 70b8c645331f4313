//! The other runtimes of several threads.

use std::future::{Future, pending};
use std::time::Duration;

use anyhow::Context as _;
use async_executor::{Executor, Task};
use futures::executor::ThreadPool;
use futures::future::RemoteHandle;
use futures::task::SpawnExt as _;

use super::subjects::{Clock, Runtime};

/// `async-executor` with threads that also turn `async-io`, which is what `smol` is.
#[derive(Clone, Copy)]
pub(super) struct Smol(&'static Executor<'static>);

impl Runtime for Smol {
    type Handle<T: Send + 'static> = Task<T>;

    fn start(cpus: usize) -> anyhow::Result<Self> {
        let executor: &'static Executor<'_> = Box::leak(Box::new(Executor::new()));
        for number in 0..cpus {
            let thread = std::thread::Builder::new().name(format!("smol-{number}"));
            thread
                .spawn(|| async_io::block_on(executor.run(pending::<()>())))
                .context("no thread")?;
        }
        Ok(Self(executor))
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        async_io::block_on(future)
    }

    fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    fn detach<T: Send + 'static>(handle: Task<T>) {
        handle.detach();
    }
}

impl Clock for Smol {
    async fn sleep(self, duration: Duration) {
        async_io::Timer::after(duration).await;
    }
}

/// `smolscale`, which is global and has a worker a CPU.
#[derive(Clone, Copy)]
pub(super) struct Smolscale;

impl Runtime for Smolscale {
    type Handle<T: Send + 'static> = Task<T>;

    fn start(_: usize) -> anyhow::Result<Self> {
        Ok(Self)
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        async_io::block_on(future)
    }

    fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smolscale::spawn(future)
    }

    fn detach<T: Send + 'static>(handle: Task<T>) {
        handle.detach();
    }
}

/// The thread pool of the `futures` crate.
#[derive(Clone, Copy)]
pub(super) struct FuturesPool(&'static ThreadPool);

impl Runtime for FuturesPool {
    type Handle<T: Send + 'static> = RemoteHandle<T>;

    fn start(cpus: usize) -> anyhow::Result<Self> {
        let pool = ThreadPool::builder().pool_size(cpus).create();
        let pool = pool.context("the pool could not start")?;
        Ok(Self(Box::leak(Box::new(pool))))
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        futures::executor::block_on(future)
    }

    fn spawn<F>(self, future: F) -> RemoteHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = self.0.spawn_with_handle(future);
        handle.expect("invariant: nobody shuts the pool down")
    }

    fn detach<T: Send + 'static>(handle: RemoteHandle<T>) {
        handle.forget();
    }
}
