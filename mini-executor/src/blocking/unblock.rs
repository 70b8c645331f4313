//! Waiting for a closure on the blocking pool, and for room in it before.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use exec_core::{JoinError, JoinHandle, Meta, Reason, Threads, try_spawn_on};

use super::pool::Blocking;
use crate::shared::Shared;

enum State<F, R> {
    /// Not taken by the pool yet.
    Waiting(F),
    Taken(JoinHandle<R>),
    Done,
}

/// The result of a closure that blocks; see [`Runtime::unblock`](crate::Runtime::unblock).
///
/// # Cancel safety
/// Dropping it before the pool has taken the closure drops the closure; after that the closure
/// runs to its end, and its result is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct Unblock<
    F,
    R,
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    shared: Arc<Shared<T>>,
    state: State<F, R>,
}

impl<F, R, T: Threads> Unblock<F, R, T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, f: F) -> Self {
        Self {
            shared,
            state: State::Waiting(f),
        }
    }
}

// The closure is never pinned, only moved.
impl<F, R, T: Threads> Unpin for Unblock<F, R, T> {}

impl<F, R, T> Future for Unblock<F, R, T>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
    T: Threads,
{
    type Output = Result<R, JoinError>;

    /// # Panics
    /// When it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut asked = false;
        loop {
            match core::mem::replace(&mut this.state, State::Done) {
                State::Waiting(f) => {
                    let pool = Blocking(this.shared.clone());
                    match try_spawn_on(&pool, &Meta::new(), f) {
                        Ok(task) => this.state = State::Taken(task),
                        Err(refused) if refused.reason == Reason::Full => {
                            this.state = State::Waiting(refused.job);
                            if asked {
                                return Poll::Pending;
                            }
                            // Ask to be woken, then look once more: room made in between is
                            // not missed.
                            this.shared.blocking.when_room(cx.waker());
                            asked = true;
                        }
                        Err(refused) => {
                            return Poll::Ready(Err(JoinError::Rejected(refused.reason)));
                        }
                    }
                }
                State::Taken(mut task) => {
                    let polled = Pin::new(&mut task).poll(cx);
                    if polled.is_pending() {
                        this.state = State::Taken(task);
                    }
                    return polled;
                }
                State::Done => panic!("an Unblock was polled after it had returned its result"),
            }
        }
    }
}

impl<F, R, T: Threads> fmt::Debug for Unblock<F, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = !matches!(self.state, State::Waiting(_));
        f.debug_struct("Unblock")
            .field("taken", &taken)
            .finish_non_exhaustive()
    }
}
