//! Giving the worker to others for one turn.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Lets every task that is queued on this worker have a turn first.
///
/// # Cancel safety
/// Nothing is lost when it is dropped.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// # let runtime = mini_executor::Runtime::new().unwrap();
/// runtime.block_on(runtime.spawn(async {
///     for _ in 0..3 {
///         mini_executor::yield_now().await;
///     }
/// })).unwrap();
/// # }
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        // A wake during the poll is what the executor takes for a yield: it queues the task
        // behind the others instead of running it next.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
