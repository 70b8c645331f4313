//! A future that its model looks into: who it is, and what happens to it.
//!
//! A model that lists its tasks makes a [`Probe`] of each future that is spawned on it
//! ([`Executor::probe`](crate::Executor::probe)); the future and its probe are then one future,
//! [`Probed`]. A model that does not never sees them, and a spawn costs the one question.

use alloc::boxed::Box;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// What goes with a future and sees its polls. It is dropped with the future, after it.
pub trait Probe: Send + 'static {
    /// Calls `poll` once, with `cx` or with a context that passes its wakes on. It may panic, as
    /// the future may.
    fn poll(&mut self, cx: &mut Context<'_>, poll: &mut dyn FnMut(&mut Context<'_>));
}

impl Probe for Box<dyn Probe> {
    fn poll(&mut self, cx: &mut Context<'_>, poll: &mut dyn FnMut(&mut Context<'_>)) {
        (**self).poll(cx, poll);
    }
}

/// A future with its probe.
#[must_use = "futures do nothing unless polled"]
pub struct Probed<F, P> {
    // Dropped in this order.
    future: F,
    probe: P,
}

impl<F, P> Probed<F, P> {
    /// Lets `probe` see the polls of `future`.
    pub fn new(future: F, probe: P) -> Self {
        Self { future, probe }
    }
}

impl<F: Future, P: Probe + Unpin> Future for Probed<F, P> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is not moved out of the pinned struct, which has no `Drop`; the probe
        // is `Unpin`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above: it stays where it is.
        let mut future = unsafe { Pin::new_unchecked(&mut this.future) };
        let mut polled = Poll::Pending;
        this.probe
            .poll(cx, &mut |cx| polled = future.as_mut().poll(cx));
        polled
    }
}

impl<F, P> fmt::Debug for Probed<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probed").finish_non_exhaustive()
    }
}
