//! Sleeping, for models with timers and for those without.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{executor::Executor, ground::Nanos, sync::Arc};

/// A future that is ready at a point in time; see [`Handle::sleep`](crate::Handle::sleep).
///
/// # Cancel safety
/// Dropping it cancels the sleep; nothing else is lost.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep<E: ?Sized + Executor> {
    pub(crate) executor: Arc<E>,
    pub(crate) until: Nanos,
}

impl<E: ?Sized + Executor> Sleep<E> {
    /// When it will be ready, in the time of the executor's ground.
    pub fn deadline(&self) -> Nanos {
        self.until
    }
}

impl<E: ?Sized + Executor> Future for Sleep<E> {
    type Output = ();

    /// # Blocking
    /// On a model without timers (see [`Executor::wake_at`]) the thread sleeps in here: that is
    /// what sleeping costs on it.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ground = self.executor.ground();
        if ground.now() >= self.until {
            return Poll::Ready(());
        }
        if self.executor.wake_at(self.until, cx.waker()) {
            return Poll::Pending;
        }
        while ground.now() < self.until {
            ground.park(Some(self.until));
        }
        Poll::Ready(())
    }
}

impl<E: ?Sized + Executor> fmt::Debug for Sleep<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
