//! A task that is always ready gives way: the cooperative budget.
//!
//! Each poll of a task, and of the future of a `block_on`, begins with [`BUDGET`] units. What
//! comes from outside a task (a timer that is due, bytes of a socket, a closure's result) costs
//! one when it is ready. Without a unit it is not asked: it wakes the task and says "pending", so
//! the task goes behind all that is queued on its worker, and begins anew with a full budget.
//! Something that is not ready costs nothing, so a poll that asks a thousand sockets in vain asks
//! all of them.

use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use exec_core::Threads;

use crate::{context, observe::count_budget_yield};

/// Units of a poll.
pub(crate) const BUDGET: u32 = 128;

/// Polls `f` if there is a unit left, and takes the unit when it is ready.
#[inline]
pub(crate) fn proceed<T: Threads, R>(
    cx: &mut TaskContext<'_>,
    f: impl FnOnce(&mut TaskContext<'_>) -> Poll<R>,
) -> Poll<R> {
    context::with(T::default(), |context| {
        let Some(context) = context else {
            return f(cx);
        };
        if context.budget.get() == 0 {
            count_budget_yield::<T>();
            // A wake during the poll counts as a yield.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = f(cx);
        if polled.is_ready() {
            context.budget.set(context.budget.get().saturating_sub(1));
        }
        polled
    })
}

/// Takes a unit of the budget, and gives way if there is none left.
///
/// For loops that compute, between whose rounds others should have their turn now and then.
///
/// # Cancel safety
/// Nothing is lost when it is dropped.
///
/// # Examples
/// ```
/// # let runtime = mini_executor::Runtime::new().unwrap();
/// runtime.block_on(runtime.spawn(async {
///     for _ in 0..1_000 {
///         // Compute a little, then
///         mini_executor::consume_budget().await;
///     }
/// })).unwrap();
/// ```
#[cfg(all(feature = "std", not(loom)))]
pub async fn consume_budget() {
    cooperative(core::future::ready(())).await;
}

/// Lets a future of another crate take part in the budget: each time that it is ready costs a
/// unit.
///
/// # Cancel safety
/// As that of the future inside.
///
/// # Examples
/// ```
/// # let runtime = mini_executor::Runtime::new().unwrap();
/// let always_ready = core::future::ready(1);
/// assert_eq!(runtime.block_on(mini_executor::cooperative(always_ready)), 1);
/// ```
#[cfg(all(feature = "std", not(loom)))]
pub fn cooperative<F: Future>(future: F) -> Cooperative<F> {
    Cooperative::new(future)
}

/// Polls a future without regard for the budget.
///
/// # Cancel safety
/// As that of the future inside.
#[cfg(all(feature = "std", not(loom)))]
pub fn unconstrained<F: Future>(future: F) -> Unconstrained<F> {
    Unconstrained::new(future)
}

/// The future of [`cooperative`](Self::new).
#[must_use = "futures do nothing unless polled"]
pub struct Cooperative<
    F,
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    future: F,
    ground: PhantomData<fn() -> T>,
}

impl<F: Future, T: Threads> Cooperative<F, T> {
    /// Lets `future` take part in the budget of tasks on the ground `T`.
    pub fn new(future: F) -> Self {
        Self {
            future,
            ground: PhantomData,
        }
    }
}

impl<F: Future, T: Threads> Future for Cooperative<F, T> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        // SAFETY: the future is not moved out of the pinned struct, which has no `Drop`.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.future) };
        proceed::<T, _>(cx, |cx| future.poll(cx))
    }
}

/// The future of [`unconstrained`](Self::new).
#[must_use = "futures do nothing unless polled"]
pub struct Unconstrained<
    F,
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    future: F,
    ground: PhantomData<fn() -> T>,
}

impl<F: Future, T: Threads> Unconstrained<F, T> {
    /// Polls `future` without regard for the budget of tasks on the ground `T`.
    pub fn new(future: F) -> Self {
        Self {
            future,
            ground: PhantomData,
        }
    }
}

impl<F: Future, T: Threads> Future for Unconstrained<F, T> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        struct Restore<'a>(&'a core::cell::Cell<u32>, u32);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        // SAFETY: the future is not moved out of the pinned struct, which has no `Drop`.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.future) };
        context::with(T::default(), |context| {
            let _restore = context.map(|c| Restore(&c.budget, c.budget.replace(u32::MAX)));
            future.poll(cx)
        })
    }
}

impl<F, T: Threads> fmt::Debug for Cooperative<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cooperative").finish_non_exhaustive()
    }
}

impl<F, T: Threads> fmt::Debug for Unconstrained<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unconstrained").finish_non_exhaustive()
    }
}
