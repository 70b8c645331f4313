//! The runtime as its users see it.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, future::Future, pin::pin, time::Duration};

use exec_core::{
    Handle, JoinHandle, Meta, Nanos, Rejected, Shutdown, ShutdownReport, Stats, Threads, spawn_on,
};

use flight_recorder::Recording;

use crate::{
    blocking::unblock::Unblock,
    builder::Builder,
    join_set::JoinSet,
    local_set::LocalSet,
    metrics::Metrics,
    observe::TaskDump,
    shared::Shared,
    spawner::Spawner,
    time::sleep::{Interval, Sleep, Timeout},
};

/// An M:N executor: many tasks on few workers.
///
/// It is an [`Executor`](exec_core::Executor), so a [`Handle`] of it runs closures, scopes and fork-join as well
/// ([`into_handle`](Self::into_handle)); the methods here are its own.
///
/// Dropping it ends it: every task that can go on by itself runs to its end first, and every task
/// that waits for a timer or for something outside is cancelled. The drop blocks until then,
/// except on one of its own workers, where it only begins. [`shutdown`](Self::shutdown) gives the
/// choice.
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use mini_executor::{Runtime, Shutdown};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime: Runtime = Runtime::builder().workers(2).build()?;
/// let job = runtime.spawn(async { "done" });
/// assert_eq!(job.join()?, "done");
/// assert!(runtime.shutdown(Shutdown::Deadline(Duration::from_secs(1))).is_clean());
/// # Ok(()) }
/// ```
pub struct Runtime<
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    spawner: Spawner<T>,
}

#[cfg(all(feature = "std", not(loom)))]
impl Runtime {
    /// A runtime on the host's threads, one worker per CPU.
    ///
    /// # Errors
    /// When the system does not give the threads.
    pub fn new() -> Result<Self, crate::BuildError> {
        Self::builder().build()
    }

    /// A runtime without threads, on the host; see [`Builder::current_thread`].
    ///
    /// # Errors
    /// When the system does not give a descriptor for the reactor.
    pub fn current_thread() -> Result<Self, crate::BuildError> {
        Self::builder().current_thread().build()
    }

    /// Settings for a runtime on the host's threads.
    pub fn builder() -> Builder<kernel_bridge::Host> {
        Builder::new()
    }
}

impl<T: Threads> Runtime<T> {
    /// Settings for a runtime on the ground `T`.
    pub fn on_ground() -> Builder<T> {
        Builder::new()
    }

    pub(crate) fn of(shared: Arc<Shared<T>>) -> Self {
        Self {
            spawner: Spawner(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<T>> {
        &self.spawner.0
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.shared().workers
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// Spawns a task and returns the handle of its output. One allocation; none a wake.
    ///
    /// The future and its output go from thread to thread, so both are `Send`:
    ///
    /// ```compile_fail,E0277
    /// let runtime = mini_executor::Runtime::new().unwrap();
    /// let not_send = std::rc::Rc::new(1);
    /// runtime.spawn(async move { core::future::ready(*not_send).await });
    /// ```
    /// ```compile_fail,E0277
    /// let runtime = mini_executor::Runtime::new().unwrap();
    /// runtime.spawn(async { std::rc::Rc::new(1) });
    /// ```
    /// ```compile_fail,E0277
    /// let runtime = mini_executor::Runtime::new().unwrap();
    /// let not_send = std::rc::Rc::new(1);
    /// runtime.unblock(move || *not_send);
    /// ```
    ///
    /// # Errors
    /// None here: after a shutdown, joining the handle says [`JoinError::Rejected`].
    ///
    /// [`JoinError::Rejected`]: exec_core::JoinError::Rejected
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawner.spawn(future)
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
        self.spawner.try_spawn(future)
    }

    /// As [`spawn`](Self::spawn), with a name that dumps, the watchdog and traces show. A runtime
    /// that does not [observe](Builder::observe) its tasks forgets it.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn spawn_named<F>(&self, name: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawner.spawn_named(name, future)
    }

    /// A handle that tasks may keep: it does not keep the runtime running.
    pub fn spawner(&self) -> Spawner<T> {
        self.spawner.clone()
    }

    /// A future that is ready after `duration`: at the next tick of 8 µs at the earliest.
    ///
    /// # Cancel safety
    /// A drop takes the timer back.
    pub fn sleep(&self, duration: Duration) -> Sleep<T> {
        self.spawner.sleep(duration)
    }

    /// A future that is ready at `at`, in the time of the ground. The past is ready at once,
    /// [`Nanos::MAX`] never.
    ///
    /// # Cancel safety
    /// A drop takes the timer back.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # use core::time::Duration;
    /// let runtime = mini_executor::Runtime::new().unwrap();
    /// let soon = runtime.now().saturating_add(Duration::from_millis(2));
    /// runtime.block_on(runtime.sleep_until(soon));
    /// assert!(runtime.now() >= soon);
    /// # }
    /// ```
    pub fn sleep_until(&self, at: Nanos) -> Sleep<T> {
        self.spawner.sleep_until(at)
    }

    /// Runs `future` for `limit` at most.
    ///
    /// # Errors
    /// The future's output is [`Elapsed`](crate::Elapsed) when the time was up first; the future
    /// is dropped with the timeout.
    ///
    /// # Cancel safety
    /// As that of `future`.
    pub fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F, T> {
        self.spawner.timeout(limit, future)
    }

    /// Beats that are `period` apart; the first one at once.
    pub fn interval(&self, period: Duration) -> Interval<T> {
        self.spawner.interval(period)
    }

    /// The time, as [`sleep_until`](Self::sleep_until) counts it.
    pub fn now(&self) -> Nanos {
        self.spawner.now()
    }

    /// Runs a closure that blocks on a thread that may, and waits for its result.
    ///
    /// The threads are bounded in number ([`Builder::blocking`]): when all are busy and the queue
    /// is full, the future waits for room before the closure is taken.
    ///
    /// # Errors
    /// As a join; [`JoinError::Rejected`](exec_core::JoinError::Rejected) when the runtime ends or
    /// no thread can be had.
    ///
    /// # Cancel safety
    /// A drop before a thread has taken the closure drops the closure; after that it runs to its
    /// end, and its result is dropped.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # let runtime = mini_executor::Runtime::new().unwrap();
    /// let text = runtime.block_on(runtime.unblock(|| std::fs::read_to_string("/proc/self/comm")));
    /// assert!(text.is_ok());
    /// # }
    /// ```
    #[doc(alias = "spawn_blocking")]
    pub fn unblock<F, R>(&self, f: F) -> Unblock<F, R, T>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawner.unblock(f)
    }

    /// Gives a closure that blocks to a thread that may, at once or not at all.
    ///
    /// # Errors
    /// The closure comes back: [`Full`](exec_core::Reason::Full) when all threads are busy and the
    /// queue is full, `ShutDown`, or `OutOfThreads`.
    #[track_caller]
    pub fn try_spawn_blocking<F, R>(&self, f: F) -> Result<JoinHandle<R>, Rejected<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawner.try_spawn_blocking(f)
    }

    /// An empty group of tasks.
    pub fn join_set<R: Send + 'static>(&self) -> JoinSet<R, T> {
        self.spawner.join_set()
    }

    /// A set of tasks that stay on this thread, and so need not be `Send`.
    pub fn local_set(&self) -> LocalSet<T> {
        self.spawner.local_set()
    }

    /// Spawns a closure and returns the handle of its result. One allocation.
    ///
    /// # Blocking
    /// A closure that blocks keeps its worker; other workers take the tasks that wait there.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_closure<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_on(self, &Meta::new(), f)
    }

    /// Drives a future on this thread until it is ready.
    ///
    /// When the future waits for the first time the thread may run one poll of a task that it
    /// spawned just before; then it looks out for the wake for some microseconds, and parks.
    ///
    /// # Panics
    /// On a worker of any runtime of this ground, and inside another `block_on`: a task that
    /// blocks its worker would keep from running what it waits for. The panic names both
    /// runtimes, and both stay usable. And in a child of `fork`, where the workers are not.
    ///
    /// # Blocking
    /// Until the future is ready.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut output = None;
        {
            let driven = pin!(async { output = Some(future.await) });
            self.shared().drive(driven);
        }
        output.expect("invariant: a driven future is ready")
    }

    /// Ends the runtime; see [`Shutdown`] for the ways. Idempotent, from any thread.
    ///
    /// `Drain` waits for tasks that sleep or wait, too. In a task or closure of the runtime's own, and
    /// in the `block_on` of one without threads, it only begins the end, and a `Deadline` is a
    /// `Now`: the report tells how things stand, and what has not ended counts as leaked, the
    /// caller's task included.
    ///
    /// # Blocking
    /// As [`Shutdown`] says; where it only begins the end it does not block.
    pub fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.shared().shutdown(how)
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.threads = match self.shared().seat {
            Some(_) => 0,
            None => self.workers() as u64,
        };
        self.shared().outside.add_to(&mut stats);
        for remote in &*self.shared().remotes {
            remote.counters.add_to(&mut stats);
        }
        stats
    }

    /// All choices that the seed has made so far, mixed into one number: two runs that print the
    /// same one have gone the same way. `None` without a [seed](Builder::seeded).
    pub fn trail(&self) -> Option<u64> {
        self.shared().sim.as_ref().map(|sim| sim.trail())
    }

    /// What it has done and has to do, in numbers, of all and of each worker.
    pub fn metrics(&self) -> Metrics {
        self.shared().metrics()
    }

    /// The tasks that have not ended, in the order of their spawns, if the runtime
    /// [observes](Builder::observe) them.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(feature = "std")] {
    /// let runtime = mini_executor::Runtime::builder().observe(true).build().unwrap();
    /// let task = runtime.spawn_named("waits", core::future::pending::<()>());
    /// let dump = runtime.dump();
    /// assert_eq!(dump[0].name.as_deref(), Some("waits"));
    /// assert!(dump[0].location.file().ends_with(".rs"));
    /// # drop(task);
    /// # }
    /// ```
    pub fn dump(&self) -> Vec<TaskDump> {
        self.shared().observer.dump(&self.shared().ground)
    }

    /// Lets each worker note what it does from now on: the newest `capacity` events of each are
    /// kept (16 to 2^24; the first call decides). An event takes 16 bytes and about as long as a
    /// look at the clock.
    pub fn start_recording(&self, capacity: usize) {
        self.shared().start_recording(capacity);
    }

    /// Ends the recording and returns it, to be written as a trace that Perfetto opens.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(feature = "std")] {
    /// let runtime = mini_executor::Runtime::new().unwrap();
    /// runtime.start_recording(4_096);
    /// runtime.spawn(async {}).join().unwrap();
    /// let trace = runtime.stop_recording().to_chrome_trace();
    /// assert!(trace.starts_with('{'));
    /// # }
    /// ```
    pub fn stop_recording(&self) -> Recording {
        self.shared().stop_recording()
    }

    /// How many jobs wait in its queues, roughly.
    pub fn queued(&self) -> u64 {
        let rings = self.shared().remotes.iter();
        self.shared().injector.len() + rings.map(|r| u64::from(r.queue.len())).sum::<u64>()
    }

    /// The family's handle of this runtime.
    pub fn into_handle(self) -> Handle<Self> {
        Handle::new(self)
    }
}

impl<T: Threads> Drop for Runtime<T> {
    fn drop(&mut self) {
        self.shared().quiesce();
    }
}

impl<T: Threads> fmt::Debug for Runtime<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("name", &self.shared().name)
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}
