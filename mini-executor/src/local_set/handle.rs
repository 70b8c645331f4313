//! The joining half of a task that stays on its thread.

use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use exec_core::{JoinError, JoinHandle};

use super::Unsent;

/// The one right to the output of a local task.
///
/// There is no blocking join, for it would block the thread that the task needs: `.await` it.
/// Dropping it detaches the task. If the output is `Send` the handle is, and may cancel or await
/// the task from anywhere; otherwise it stays:
///
/// ```compile_fail,E0277
/// use std::rc::Rc;
/// let runtime = mini_executor::Runtime::current_thread().unwrap();
/// let set = runtime.local_set();
/// let task = set.spawn_local(async { Rc::new(1) });
/// std::thread::spawn(move || task.cancel());
/// ```
///
/// The set itself always does:
///
/// ```compile_fail,E0277
/// let runtime = mini_executor::Runtime::current_thread().unwrap();
/// let set = runtime.local_set();
/// std::thread::spawn(move || drop(set));
/// ```
#[must_use = "dropping a LocalHandle detaches the task; call `detach` to say that you mean it"]
pub struct LocalHandle<R> {
    pub(super) handle: JoinHandle<Unsent<R>>,
    /// The handle inside is `Send` and `Sync` whatever `R` is; this is not.
    pub(super) output: PhantomData<R>,
}

impl<R> LocalHandle<R> {
    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Asks the task to end: its own thread drops the future when it polls the set next. As
    /// [`JoinHandle::cancel`].
    pub fn cancel(&self) -> bool {
        self.handle.cancel()
    }

    /// Lets the task run on without a joiner.
    pub fn detach(self) {
        self.handle.detach();
    }
}

impl<R> Unpin for LocalHandle<R> {}

impl<R> Future for LocalHandle<R> {
    type Output = Result<R, JoinError>;

    /// # Panics
    /// When it is polled again after it was ready.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is polled and not ready: poll it again.
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.handle).poll(cx);
        polled.map(|joined| joined.map(|Unsent(output)| output))
    }
}

impl<R> fmt::Debug for LocalHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
