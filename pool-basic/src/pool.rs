//! The pool as its user sees it.

use core::time::Duration;

use exec_core::{
    Ground, Handle, Job, JobId, JoinHandle, Meta, Rejected, Shutdown, ShutdownReport, SmallJob,
    Stats, StdGround, spawn_on, sync::Arc, try_spawn_on,
};

use crate::{
    builder::{BuildError, Builder},
    shared::{Shared, WhenFull},
    shutdown::{self, StillRunning, Threads},
    worker,
};

/// A fixed number of threads that take jobs from one queue, first in, first out.
///
/// The pool itself is not `Clone`: share it in an `Arc`, or as a [`Handle`].
///
/// # Drop
/// Dropping the pool drains it: everything that was accepted runs, then the threads are joined.
/// Dropped by one of its own workers (inside of a job that held the last reference), it cannot
/// join that worker: the pool is closed, and its threads drain it and end by themselves. After a
/// [`shutdown_timeout`](Self::shutdown_timeout) that gave up, the drop waits for nothing. A future
/// that was spawned through a [`Handle`] and has not ended keeps its pool.
///
/// # Examples
/// ```
/// use pool_basic::ThreadPool;
///
/// let pool = ThreadPool::new(4)?;
/// let squares: Vec<_> = (0..8).map(|n| pool.spawn(move || n * n)).collect();
/// let sum: i32 = squares.into_iter().map(|job| job.join().unwrap()).sum();
/// assert_eq!(sum, 140);
/// # Ok::<(), pool_basic::BuildError>(())
/// ```
///
/// What is not `Send` does not reach another thread, neither in a job nor as its result:
/// ```compile_fail,E0277
/// # let pool = pool_basic::ThreadPool::new(1).unwrap();
/// let here = std::rc::Rc::new(5);
/// pool.execute(move || drop(here));
/// ```
/// ```compile_fail,E0277
/// # let pool = pool_basic::ThreadPool::new(1).unwrap();
/// pool.spawn(|| std::rc::Rc::new(5));
/// ```
#[derive(Debug)]
pub struct ThreadPool {
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Threads,
}

impl ThreadPool {
    /// A pool of `threads` threads; 0 is one for each CPU that the process may use.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn new(threads: usize) -> Result<Self, BuildError> {
        Self::builder().threads(threads).build()
    }

    /// Options, to be ended by [`Builder::build`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Runs a closure that nobody joins. A panic of it goes to the panic handler. A closure that
    /// captures up to three words is not allocated.
    ///
    /// # Errors
    /// The job, not run, when the pool is closed or the process was forked; when a bounded
    /// queue is full and the caller is a worker of this pool, which must not wait for itself.
    ///
    /// # Blocking
    /// While a bounded queue is full.
    #[inline]
    pub fn execute(&self, f: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        self.submit(f, WhenFull::Wait)
    }

    /// As [`execute`](Self::execute), and never blocks.
    ///
    /// # Errors
    /// As `execute`, and the job when a bounded queue is full.
    #[inline]
    pub fn try_execute(&self, f: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        self.submit(f, WhenFull::Refuse)
    }

    #[inline]
    fn submit<F: FnOnce() + Send + 'static>(
        &self,
        f: F,
        when_full: WhenFull,
    ) -> Result<(), Rejected> {
        if !SmallJob::fits::<F>() {
            return self.submit_job(Job::new(f), when_full);
        }
        match self.shared.admit(when_full) {
            Ok(()) => self.shared.queue(JobId::NONE, || SmallJob::new(f)),
            Err(reason) => Err(Rejected::new(Job::new(f), reason)),
        }
    }

    #[inline]
    pub(crate) fn submit_job(&self, job: Job, when_full: WhenFull) -> Result<(), Rejected> {
        match self.shared.admit(when_full) {
            Ok(()) => self.shared.queue(job.id(), || SmallJob::from(job)),
            Err(reason) => Err(Rejected::new(job, reason)),
        }
    }

    /// Runs a closure and returns the handle of its result. One allocation.
    ///
    /// # Errors
    /// None here: what `execute` refuses, joining the handle tells as
    /// [`JoinError::Rejected`](exec_core::JoinError::Rejected).
    ///
    /// # Blocking
    /// While a bounded queue is full.
    #[inline]
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_on(self, &Meta::new(), f)
    }

    /// As [`spawn`](Self::spawn), and a refused closure comes back.
    ///
    /// # Errors
    /// The closure, not run, when the queue is full, the pool closed, or the process forked.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        try_spawn_on(self, &Meta::new().without_waiting(), f)
    }

    /// Waits until no job is queued or running.
    ///
    /// Jobs that others spawn meanwhile are waited for as well, as long as there are any.
    ///
    /// # Panics
    /// On a worker of this pool, whose own job would be waited for.
    ///
    /// # Blocking
    /// Until then.
    pub fn wait_idle(&self) {
        let idle = self.wait_idle_until(None);
        debug_assert!(idle, "invariant: a wait without end ends when it is over");
    }

    /// As [`wait_idle`](Self::wait_idle), for `timeout` at most; whether the pool was idle.
    ///
    /// # Panics
    /// As `wait_idle`.
    ///
    /// # Blocking
    /// Until then.
    #[must_use]
    pub fn wait_idle_timeout(&self, timeout: Duration) -> bool {
        self.wait_idle_until(Some(timeout))
    }

    fn wait_idle_until(&self, timeout: Option<Duration>) -> bool {
        assert!(
            !worker::is_worker_of(&self.shared),
            "wait_idle on a worker of the same pool would wait for itself; call it from outside, \
             or join the jobs you need"
        );
        // The workers are in the parent: what is here is idle.
        self.shared.is_forked()
            || self
                .shared
                .sleep
                .wait_idle(timeout.map(|timeout| StdGround.now().saturating_add(timeout)))
    }

    /// The same as [`wait_idle`](Self::wait_idle), for those who look for it by this name.
    ///
    /// # Panics
    /// As `wait_idle`.
    ///
    /// # Blocking
    /// As `wait_idle`.
    pub fn join_all(&self) {
        self.wait_idle();
    }

    /// Runs everything that was accepted, then ends the threads. Refuses new work from the start.
    ///
    /// Callable more than once, and from several threads at once. Called by one of the pool's own
    /// jobs it does not wait, since it would wait for itself: the pool is closed, and the report's
    /// `leaked` counts what is running.
    ///
    /// # Blocking
    /// Until the last job has ended.
    pub fn shutdown(&self) -> ShutdownReport {
        shutdown::shutdown(&self.shared, &self.threads, Shutdown::Drain)
    }

    /// As [`shutdown`](Self::shutdown), for `timeout` at most; then what is queued is cancelled,
    /// and what runs is left behind.
    ///
    /// # Errors
    /// How many jobs still run.
    ///
    /// # Blocking
    /// For `timeout` at most (and as long as the drops of cancelled jobs take).
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<ShutdownReport, StillRunning> {
        shutdown::shutdown_timeout(&self.shared, &self.threads, timeout)
    }

    /// What the pool has done. Jobs that are queued are counted when they leave the queue.
    pub fn stats(&self) -> Stats {
        self.shared.totals.stats()
    }

    /// How many threads the pool was built with.
    pub fn threads(&self) -> usize {
        self.shared.workers
    }

    /// How many jobs may be queued, where there is a bound.
    pub fn queue_capacity(&self) -> Option<usize> {
        self.shared.capacity()
    }

    /// The pool as a handle, which adds scopes, fork-join and futures.
    pub fn into_handle(self) -> Handle<Self> {
        Handle::new(self)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        shutdown::on_drop(&self.shared, &mut self.threads);
    }
}
