//! A runtime as its own tasks see it.

use alloc::sync::Arc;
use core::{any::TypeId, fmt, future::Future, panic::Location, time::Duration};

use exec_core::{
    JoinHandle, Meta, Nanos, Rejected, Threads,
    task::{Probed, spawn_at_home},
    try_spawn_on,
};

use crate::{
    blocking::{pool::Blocking, unblock::Unblock},
    context,
    home::Home,
    join_set::JoinSet,
    local_set::LocalSet,
    observe::Observed,
    shared::Shared,
    time::sleep::{Interval, Sleep, Timeout},
};

/// Spawns tasks on a runtime, and makes timers of it, without keeping it running.
///
/// Tasks hold one instead of the [`Runtime`](crate::Runtime), which ends when its owner drops it.
/// It is what other runtimes call a handle; [`Handle`](crate::Handle) is something else here: the
/// family's view of any executor.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// # use core::time::Duration;
/// let runtime = mini_executor::Runtime::new().unwrap();
/// let spawner = runtime.spawner();
/// let task = runtime.spawn(async move {
///     spawner.sleep(Duration::from_millis(1)).await;
///     spawner.spawn(async { 1 }).await
/// });
/// assert_eq!(task.join().unwrap().unwrap(), 1);
/// # }
/// ```
pub struct Spawner<
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
>(pub(crate) Arc<Shared<T>>);

#[cfg(all(feature = "std", not(loom)))]
impl Spawner {
    /// That of the runtime whose worker this thread is, whose `block_on` it is in, or whose
    /// closure that blocks it runs; `None` elsewhere, and in a runtime of another ground.
    ///
    /// # Examples
    /// ```
    /// use mini_executor::{Runtime, Spawner};
    ///
    /// let runtime = Runtime::new().unwrap();
    /// assert!(Spawner::current().is_none());
    /// assert!(runtime.block_on(async { Spawner::current().is_some() }));
    /// ```
    pub fn current() -> Option<Self> {
        Self::current_on(kernel_bridge::Host)
    }
}

impl<T: Threads> Spawner<T> {
    /// As `Spawner::current`, for a runtime of this ground.
    pub fn current_on(ground: T) -> Option<Self> {
        context::with(ground, |context| {
            let context = context?;
            if context.ground != TypeId::of::<T>() {
                return None;
            }
            // SAFETY: the context says that it was made for a runtime of this ground, and whoever
            // made it keeps the runtime's memory for as long as the context is this thread's.
            Some(Self(unsafe { Shared::again(context.runtime.cast()) }))
        })
    }

    /// As [`Runtime::spawn`](crate::Runtime::spawn).
    ///
    /// # Errors
    /// None here: after the end of the runtime, joining the handle says
    /// [`JoinError::Rejected`](exec_core::JoinError::Rejected).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.0.observer.is_on() {
            return self.spawn_observed(None, Location::caller(), future);
        }
        self.spawn_plain(future)
    }

    /// As [`spawn`](Self::spawn), but a runtime that takes no more hands the future back.
    ///
    /// # Errors
    /// The future, not polled: [`ShutDown`](exec_core::Reason::ShutDown) once a shutdown has
    /// begun, [`Forked`](exec_core::Reason::Forked) in a child of fork. When the shutdown begins
    /// at this very moment, the handle says so instead.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Rejected<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.0.refusal() {
            Some(reason) => Err(Rejected::new(future, reason)),
            None => Ok(self.spawn(future)),
        }
    }

    /// As [`spawn`](Self::spawn), with a name that dumps, the watchdog and traces show. A runtime
    /// that does not [observe](crate::Builder::observe) its tasks forgets it.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_named<F>(&self, name: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.0.observer.is_on() {
            return self.spawn_observed(Some(Arc::from(name)), Location::caller(), future);
        }
        self.spawn_plain(future)
    }

    #[cold]
    fn spawn_observed<F>(
        &self,
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let observed = Observed::new(&self.0, name, location, size_of::<F>());
        self.spawn_plain(Probed::new(future, observed))
    }

    #[inline]
    fn spawn_plain<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let home = Home::of(&self.0);
        spawn_at_home(future, home, |job, _| self.0.spawn(job))
    }

    /// As [`Runtime::sleep`](crate::Runtime::sleep).
    ///
    /// # Cancel safety
    /// A drop takes the timer back.
    pub fn sleep(&self, duration: Duration) -> Sleep<T> {
        self.sleep_until(self.0.now().saturating_add(duration))
    }

    /// As [`Runtime::sleep_until`](crate::Runtime::sleep_until).
    ///
    /// # Cancel safety
    /// A drop takes the timer back.
    pub fn sleep_until(&self, at: Nanos) -> Sleep<T> {
        Sleep::until(self.0.clone(), at)
    }

    /// As [`Runtime::timeout`](crate::Runtime::timeout).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As that of `future`.
    pub fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F, T> {
        Timeout::new(future, self.sleep(limit))
    }

    /// As [`Runtime::interval`](crate::Runtime::interval).
    pub fn interval(&self, period: Duration) -> Interval<T> {
        Interval::new(self.sleep(Duration::ZERO), period)
    }

    /// As [`Runtime::unblock`](crate::Runtime::unblock).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    #[doc(alias = "spawn_blocking")]
    pub fn unblock<F, R>(&self, f: F) -> Unblock<F, R, T>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Unblock::new(self.0.clone(), f)
    }

    /// As [`Runtime::try_spawn_blocking`](crate::Runtime::try_spawn_blocking).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_spawn_blocking<F, R>(&self, f: F) -> Result<JoinHandle<R>, Rejected<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        try_spawn_on(&Blocking(self.0.clone()), &Meta::new(), f)
    }

    /// Runs a closure that blocks on this thread; when that is a worker of this runtime, another
    /// thread does its work meanwhile. As the free function `block_in_place`, for any ground.
    ///
    /// # Panics
    /// With the panic of `f`.
    ///
    /// # Blocking
    /// As `f` does.
    pub fn block_in_place<R>(&self, f: impl FnOnce() -> R) -> R {
        self.0.block_in_place(f)
    }

    /// As [`Runtime::join_set`](crate::Runtime::join_set).
    pub fn join_set<R: Send + 'static>(&self) -> JoinSet<R, T> {
        JoinSet::new(self.clone())
    }

    /// As [`Runtime::local_set`](crate::Runtime::local_set).
    pub fn local_set(&self) -> LocalSet<T> {
        LocalSet::new(self.clone())
    }

    /// The time, as [`sleep_until`](Self::sleep_until) counts it.
    pub fn now(&self) -> Nanos {
        self.0.now()
    }
}

impl<T: Threads> Clone for Spawner<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Threads> fmt::Debug for Spawner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spawner").field(&self.0.name).finish()
    }
}
