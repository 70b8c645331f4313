//! The pool that a user holds: the registry and its threads.
//!
//! # Shutdown
//! Dropping the pool drains it and joins its threads; a future that nobody ever wakes keeps it
//! waiting, as a job that does not end does. A pool that is dropped, or shut down, on
//! one of its own workers does not wait for anything: its workers finish what was accepted, by
//! themselves.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Instant,
};

use exec_core::{
    JoinHandle, Meta, Rejected, Shutdown, ShutdownReport, Stats, spawn_on,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    try_spawn_on,
};
use flight_recorder::Recording;

use crate::{
    broadcast::{self, BroadcastContext},
    builder::{BuildError, ThreadPoolBuilder},
    install::install,
    registry::Registry,
    scope::{self, Scope, ScopeFifo},
    spawn,
    stats::WorkerStats,
    threads::{Threads, cpus},
    worker::Worker,
};

/// A work-stealing thread pool.
///
/// # Examples
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = pool_workstealing::ThreadPool::new(2)?;
/// let (a, b) = pool.join(|| 6 * 7, || "and this at the same time");
/// let job = pool.spawn_with_handle(move || a + b.len());
/// assert_eq!(job.join()?, 67);
/// # Ok(()) }
/// ```
pub struct ThreadPool {
    registry: Arc<Registry>,
    /// The threads by seat, and how to make more of them; locked while the pool is resized.
    threads: Mutex<Threads>,
    /// Whether the drop waits.
    waits: bool,
}

// A panic of a job is caught where it runs, and leaves nothing of the pool half done.
impl UnwindSafe for ThreadPool {}
impl RefUnwindSafe for ThreadPool {}

impl ThreadPool {
    /// A pool of this many workers with the defaults; 0 = one per CPU.
    ///
    /// # Errors
    /// As [`ThreadPoolBuilder::build`].
    pub fn new(threads: usize) -> Result<Self, BuildError> {
        ThreadPoolBuilder::new().num_threads(threads).build()
    }

    pub(crate) fn of(registry: Arc<Registry>, threads: Threads) -> Self {
        Self {
            registry,
            threads: Mutex::new(threads),
            waits: true,
        }
    }

    #[inline]
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Runs `f` on a worker of this pool and returns its result; what `f` forks and spawns by the
    /// free functions goes to this pool.
    ///
    /// After a shutdown `f` runs on the caller.
    ///
    /// # Panics
    /// With the panic of `f`.
    ///
    /// # Blocking
    /// Until `f` has returned.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        install(&self.registry, |_| f())
    }

    /// As [`install`](Self::install), and `f` gets the worker it runs on.
    ///
    /// # Panics
    /// With the panic of `f`, and when the pool has been shut down.
    ///
    /// # Blocking
    /// Until `f` has returned.
    pub fn install_worker<R: Send>(&self, f: impl FnOnce(&Worker) -> R + Send) -> R {
        install(&self.registry, |worker| match worker {
            Some(worker) => f(worker),
            None => panic!("install_worker: the pool has been shut down"),
        })
    }

    /// Runs `a` and `b` in this pool, perhaps at the same time, and returns both results.
    ///
    /// # Panics
    /// As [`join`](crate::join()).
    ///
    /// # Blocking
    /// Until both are done.
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        install(&self.registry, |worker| match worker {
            Some(worker) => worker.join(|_| a(), |_| b()),
            None => (a(), b()),
        })
    }

    /// Runs `body` on a worker with a scope of this pool; see [`scope`](crate::scope()).
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    ///
    /// # Blocking
    /// Until every job of the scope has ended.
    pub fn scope<'scope, R: Send>(&self, body: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
        scope::within(&self.registry, body)
    }

    /// As [`scope`](Self::scope), and queued jobs are run oldest first.
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    ///
    /// # Blocking
    /// As [`scope`](Self::scope).
    pub fn scope_fifo<'scope, R: Send>(
        &self,
        body: impl FnOnce(&ScopeFifo<'scope>) -> R + Send,
    ) -> R {
        scope::within_fifo(&self.registry, body)
    }

    /// As [`scope`](Self::scope), and `body` runs on the current thread.
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    ///
    /// # Blocking
    /// As [`scope`](Self::scope).
    pub fn in_place_scope<'scope, R>(&self, body: impl FnOnce(&Scope<'scope>) -> R) -> R {
        scope::in_place(&self.registry, body)
    }

    /// As [`in_place_scope`](Self::in_place_scope), and queued jobs are run oldest first.
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    ///
    /// # Blocking
    /// As [`scope`](Self::scope).
    pub fn in_place_scope_fifo<'scope, R>(&self, body: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
        scope::in_place_fifo(&self.registry, body)
    }

    /// Runs `f` some time; nobody waits for it. A closure of up to 48 bytes allocates nothing.
    ///
    /// A panic of it goes to the panic handler. After a shutdown it is dropped unrun; use
    /// [`try_spawn`](Self::try_spawn) to get it back.
    #[inline]
    pub fn spawn<F: FnOnce() + Send + 'static>(&self, f: F) {
        let _ = spawn::spawn_in(&self.registry, f);
    }

    /// As [`spawn`](Self::spawn), behind the jobs that the same worker has spawned with it before.
    pub fn spawn_fifo<F: FnOnce() + Send + 'static>(&self, f: F) {
        let _ = spawn::spawn_fifo_in(&self.registry, f);
    }

    /// As [`spawn`](Self::spawn), and a refused closure comes back as a job.
    ///
    /// # Errors
    /// The job, not run, with the reason: the pool is shut down, or its queue is full.
    #[inline]
    pub fn try_spawn<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        spawn::spawn_in(&self.registry, f)
    }

    /// Runs `f` some time and returns the handle of its result. One allocation.
    ///
    /// # Errors
    /// None here: when the pool refuses the job, joining the handle says so.
    #[inline]
    #[track_caller]
    pub fn spawn_with_handle<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_on(self, &Meta::new(), f)
    }

    /// As [`spawn_with_handle`](Self::spawn_with_handle), and a refused closure comes back.
    ///
    /// # Errors
    /// The closure, not run, with the reason.
    #[track_caller]
    pub fn try_spawn_with_handle<F, T>(&self, f: F) -> Result<JoinHandle<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        try_spawn_on(self, &Meta::new(), f)
    }

    /// Spawns a future onto the same workers and returns the handle of its output. One
    /// allocation, none a wake.
    pub fn spawn_async<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::spawn_async_in(&self.registry, future)
    }

    /// Calls `f` once on each worker of this pool; see [`broadcast`](crate::broadcast()).
    ///
    /// # Panics
    /// As [`broadcast`](crate::broadcast()).
    ///
    /// # Blocking
    /// Until every worker has been called.
    pub fn broadcast<F, R>(&self, f: F) -> Vec<R>
    where
        F: Fn(BroadcastContext<'_>) -> R + Sync,
        R: Send,
    {
        broadcast::broadcast_in(&self.registry, f)
    }

    /// As [`broadcast`](Self::broadcast), without waiting.
    pub fn spawn_broadcast<F>(&self, f: F)
    where
        F: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        broadcast::spawn_broadcast_in(&self.registry, f);
    }

    /// How many workers the pool has.
    pub fn current_num_threads(&self) -> usize {
        self.registry.threads()
    }

    /// The index of the current thread in this pool, if it is one of its workers.
    pub fn current_thread_index(&self) -> Option<usize> {
        Worker::current_of(&self.registry).map(Worker::index)
    }

    /// What the pool has done so far, all workers together.
    pub fn stats(&self) -> Stats {
        self.registry.stats()
    }

    /// What each worker has done so far.
    pub fn worker_stats(&self) -> Vec<WorkerStats> {
        self.registry.worker_stats()
    }

    /// Lets each worker note what it does from now on: the newest `capacity` events of each are
    /// kept (16 to 2^24; the first call of a pool decides). An event takes 16 bytes and about as
    /// long as a look at the clock.
    pub fn start_recording(&self, capacity: usize) {
        self.registry.start_recording(capacity);
    }

    /// Ends the recording and returns it.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = pool_workstealing::ThreadPool::new(2)?;
    /// pool.start_recording(4_096);
    /// pool.install(|| (0..100).sum::<u64>());
    /// let mut trace = Vec::new();
    /// pool.stop_recording().write_chrome_trace(&mut trace)?;
    /// assert!(trace.starts_with(b"{"));
    /// # Ok(()) }
    /// ```
    pub fn stop_recording(&self) -> Recording {
        self.registry.stop_recording()
    }

    /// Ends the pool; see [`Shutdown`] for the ways.
    ///
    /// On one of its own workers it waits for nothing, and reports the jobs that still run as
    /// leaked.
    ///
    /// # Blocking
    /// As [`Shutdown`] says. A drain, and a drop of the pool, also waits for every future that
    /// lives: for ever, when one is never woken. [`Shutdown::Deadline`] bounds that, and cancels
    /// what waits then.
    pub fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.end(how)
    }

    pub(crate) fn end(&self, how: Shutdown) -> ShutdownReport {
        let registry = &self.registry;
        let own = self.current_thread_index().is_some();
        if registry.is_forked() {
            // There is nobody to wait for, and locks may be held by threads that are not here.
            return ShutdownReport::default();
        }
        registry.close();
        let until = match how {
            Shutdown::Drain if own => return registry.report(0, registry.running()),
            Shutdown::Drain => None,
            Shutdown::Deadline(time) if !own => {
                // A time that is too far for the clock is no deadline.
                Instant::now().checked_add(time)
            }
            Shutdown::Deadline(_) | Shutdown::Now => Some(Instant::now()),
        };
        if registry.wait_gone(until) {
            self.join_threads();
            return registry.report(registry.cancelled(), 0);
        }
        let cancelled = registry.stop();
        registry.report(cancelled, registry.running())
    }

    /// Waits until the pool has been shut down and its threads have ended, and joins them.
    ///
    /// # Blocking
    /// Until then; for ever when nobody shuts the pool down.
    ///
    /// # Panics
    /// On one of the pool's own workers, which would wait for itself.
    pub fn wait_until_stopped(&self) {
        assert!(
            self.current_thread_index().is_none(),
            "wait_until_stopped: a worker of the pool cannot wait for its own end"
        );
        if self.registry.wait_gone(None) {
            self.join_threads();
        }
    }

    /// Closes the pool and doesn't wait: its workers finish what was accepted, and leave by
    /// themselves.
    pub fn detach(mut self) {
        self.waits = false;
    }

    /// Joins the threads, which have left or are about to.
    fn join_threads(&self) {
        let threads = self.threads.lock().take();
        for thread in threads {
            thread.join();
        }
    }

    /// Changes the number of workers; 0 = one per CPU. Workers beyond the new number finish the
    /// job they are in and what their deque holds, and end; they are joined before this returns.
    ///
    /// # Errors
    /// [`BuildError::TooMany`] above the builder's `max_threads`; [`BuildError::Thread`] when the
    /// system gives fewer threads: the pool has as many as it gave, then.
    /// [`BuildError::OnWorker`] on one of the pool's own workers, [`BuildError::ShutDown`] after a
    /// shutdown.
    ///
    /// # Blocking
    /// When the pool shrinks, until the jobs of the workers that leave have ended.
    pub fn resize(&self, threads: usize) -> Result<(), BuildError> {
        if self.current_thread_index().is_some() {
            return Err(BuildError::OnWorker);
        }
        let registry = &self.registry;
        let wanted = if threads == 0 { cpus() } else { threads };
        if wanted > registry.seats().len() {
            return Err(BuildError::TooMany {
                asked: wanted,
                max: registry.seats().len(),
            });
        }
        let mut held = self.threads.lock();
        if registry.is_closed() {
            return Err(BuildError::ShutDown);
        }
        registry.set_threads(wanted);
        for thread in held.beyond(wanted) {
            thread.join();
        }
        held.fill(registry, wanted)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if self.registry.is_forked() {
            // Nobody is here to be told or waited for.
            return;
        }
        self.registry.close();
        if self.waits && self.current_thread_index().is_none() && !self.registry.is_abandoned() {
            self.registry.wait_gone(None);
            self.join_threads();
        }
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("threads", &self.current_num_threads())
            .field("created", &self.registry.created.load(Relaxed))
            .finish_non_exhaustive()
    }
}
