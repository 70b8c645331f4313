//! Futures that wait for a point in time.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use exec_core::{Nanos, Threads};

use super::{timers::Added, wheel::Key};
use crate::{coop, shared::Shared};

/// Ready at a point in time; see [`Runtime::sleep`](crate::Runtime::sleep).
///
/// # Cancel safety
/// Dropping it takes the timer back.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep<
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    shared: Arc<Shared<T>>,
    at: Nanos,
    /// The worker that has the timer, and the timer.
    timer: Option<(usize, Key)>,
}

impl<T: Threads> Sleep<T> {
    pub(crate) fn until(shared: Arc<Shared<T>>, at: Nanos) -> Self {
        Self {
            shared,
            at,
            timer: None,
        }
    }

    /// When it will be ready.
    pub fn deadline(&self) -> Nanos {
        self.at
    }

    /// Begins anew, with another deadline.
    pub fn reset(&mut self, at: Nanos) {
        self.take_back();
        self.at = at;
    }

    fn take_back(&mut self) {
        if let Some((worker, key)) = self.timer.take() {
            self.shared.remotes[worker].timers.remove(key);
        }
    }
}

impl<T: Threads> Future for Sleep<T> {
    type Output = ();

    /// # Blocking
    /// After the runtime has ended there are no timers: the thread sleeps in here then.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        coop::proceed::<T, _>(cx, |cx| self.as_mut().poll_timer(cx))
    }
}

impl<T: Threads> Sleep<T> {
    fn poll_timer(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let shared = &*this.shared;
        if shared.now() >= this.at {
            this.timer = None;
            return Poll::Ready(());
        }
        if let Some((worker, key)) = this.timer {
            if shared.remotes[worker].timers.renew(key, cx.waker()) {
                return Poll::Pending;
            }
            this.timer = None;
        }
        match shared.add_timer(this.at, cx.waker()) {
            (worker, Added::Keyed(key)) => this.timer = Some((worker, key)),
            (_, Added::Unkeyed) => {}
            (_, Added::Closed) => {
                while shared.now() < this.at {
                    match &shared.sim {
                        None => shared.ground.park(Some(this.at)),
                        Some(sim) => sim.advance(this.at),
                    }
                }
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl<T: Threads> Drop for Sleep<T> {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl<T: Threads> fmt::Debug for Sleep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.at)
            .finish_non_exhaustive()
    }
}

/// The time was up before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up before the future was ready")
    }
}

impl core::error::Error for Elapsed {}

/// Runs a future for a limited time; see [`Runtime::timeout`](crate::Runtime::timeout).
///
/// # Cancel safety
/// As that of the future inside.
#[must_use = "futures do nothing unless polled"]
pub struct Timeout<
    F,
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    future: F,
    sleep: Sleep<T>,
}

impl<F, T: Threads> Timeout<F, T> {
    pub(crate) fn new(future: F, sleep: Sleep<T>) -> Self {
        Self { future, sleep }
    }
}

impl<F: Future, T: Threads> Future for Timeout<F, T> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the future is not moved out of the pinned struct, which has no `Drop` of its
        // own; `sleep` is `Unpin` and never treated as pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut this.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}

impl<F, T: Threads> fmt::Debug for Timeout<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("deadline", &self.sleep.at)
            .finish_non_exhaustive()
    }
}

/// Ready again and again, one period apart; see [`Runtime::interval`](crate::Runtime::interval).
#[derive(Debug)]
pub struct Interval<
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    sleep: Sleep<T>,
    period: Duration,
}

impl<T: Threads> Interval<T> {
    pub(crate) fn new(sleep: Sleep<T>, period: Duration) -> Self {
        Self { sleep, period }
    }

    /// Waits for the next beat and returns when it was due. The first one is due at once; beats
    /// that were missed are skipped, and the rhythm is kept.
    ///
    /// # Cancel safety
    /// Nothing is lost: the beat comes with the next call.
    pub async fn tick(&mut self) -> Nanos {
        (&mut self.sleep).await;
        let due = self.sleep.at;
        let now = self.sleep.shared.now();
        let late = now.saturating_since(due).as_nanos();
        let missed = late / self.period.as_nanos().max(1);
        let ahead = u64::try_from((missed + 1).saturating_mul(self.period.as_nanos()));
        let next = due.saturating_add(Duration::from_nanos(ahead.unwrap_or(u64::MAX)));
        self.sleep.reset(next);
        due
    }

    /// The time between two beats.
    pub fn period(&self) -> Duration {
        self.period
    }
}
