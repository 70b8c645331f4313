//! The runtimes, behind one trait as thin as they are.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;

/// A runtime that polls tasks.
///
/// A started one is never ended: a sample's process ends with it.
pub(super) trait Runtime: Copy + Send + Sync + 'static {
    /// What waits for a task's output.
    type Handle<T: Send + 'static>: Future<Output = T> + Send;

    /// Starts so many workers.
    fn start(cpus: usize) -> anyhow::Result<Self>;

    /// Drives a future on this thread.
    fn block_on<F: Future>(self, future: F) -> F::Output;

    /// Spawns a task; the one-threaded ones have to be inside of `block_on`.
    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Lets a task run on without anybody who waits for it.
    fn detach<T: Send + 'static>(handle: Self::Handle<T>);

    /// Lets others go first.
    fn yield_now() -> impl Future<Output = ()> + Send {
        YieldOnce(false)
    }
}

/// A runtime with timers.
pub(super) trait Clock: Runtime {
    /// Ready when the time has passed. Created where it is awaited.
    fn sleep(self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Wakes its own task, and is ready the next time.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A handle whose task neither panics nor is cancelled.
pub(super) struct Sure<H>(pub(super) H);

impl<H, T, E> Future for Sure<H>
where
    H: Future<Output = Result<T, E>> + Unpin,
    E: std::fmt::Debug,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = Pin::new(&mut self.0).poll(cx);
        output.map(|output| output.expect("invariant: no task panics"))
    }
}

/// The runtime that all this is about.
#[derive(Clone, Copy)]
pub(super) struct Ours(pub(super) &'static mini_executor::Runtime);

impl Runtime for Ours {
    type Handle<T: Send + 'static> = Sure<mini_executor::JoinHandle<T>>;

    fn start(cpus: usize) -> anyhow::Result<Self> {
        let runtime = mini_executor::Runtime::builder().workers(cpus).build()?;
        Ok(Self(Box::leak(Box::new(runtime))))
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Sure(self.0.spawn(future))
    }

    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        handle.0.detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        mini_executor::yield_now()
    }
}

impl Clock for Ours {
    fn sleep(self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.0.sleep(duration)
    }
}

/// tokio, on one thread or on several.
#[derive(Clone, Copy)]
pub(super) struct Tokio<const MANY: bool>(&'static tokio::runtime::Runtime);

/// tokio's pool.
pub(super) type TokioMt = Tokio<true>;
/// tokio on the thread that calls `block_on`.
pub(super) type TokioCt = Tokio<false>;

impl<const MANY: bool> Runtime for Tokio<MANY> {
    type Handle<T: Send + 'static> = Sure<tokio::task::JoinHandle<T>>;

    fn start(cpus: usize) -> anyhow::Result<Self> {
        let mut builder = match MANY {
            true => tokio::runtime::Builder::new_multi_thread(),
            false => tokio::runtime::Builder::new_current_thread(),
        };
        let runtime = builder.worker_threads(cpus).enable_all().build();
        let runtime = runtime.context("tokio could not start")?;
        Ok(Self(Box::leak(Box::new(runtime))))
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Sure(self.0.spawn(future))
    }

    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }
}

impl<const MANY: bool> Clock for Tokio<MANY> {
    fn sleep(self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }
}
