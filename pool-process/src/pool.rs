//! The pool as its user sees it.

use core::{mem, time::Duration};

use exec_core::{
    Caps, Ground, Nested, Shutdown, ShutdownReport, Stats, StdGround,
    sync::{
        Arc, Mutex,
        thread::{self, ThreadId},
    },
    unwind,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    builder::{BuildError, Builder},
    call::Call,
    error::{Reason, Rejected},
    frame::{self, RunError},
    function::{Callable as _, Function, Registry},
    join::JoinHandle,
    shared::{Shared, WhenFull},
    state::{Closing, State},
    stats::WorkerStats,
};

/// How long a shutdown waits for processes that were killed: longer only where the system itself
/// is stuck.
const REAPING: Duration = Duration::from_secs(10);

/// A number of processes that run registered functions.
///
/// The pool itself is not `Clone`: share it in an `Arc`.
///
/// # Drop
/// Dropping the pool drains it: everything that was accepted runs, then the workers end and are
/// reaped. Dropped by its own thread (in a waker, or in a failure handler, that held the last
/// reference) it can't wait: the pool is closed, and drains by itself. In a child of `fork` it does
/// nothing: the workers are the parent's.
///
/// # Examples
/// ```
/// use pool_process::{Function, ProcessPool};
///
/// static SQUARE: Function<u64, u64> = Function::new("square", |n| n * n);
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pool_process::init(&[&SQUARE]);
///     let pool = ProcessPool::new(2)?;
///     let squares: Vec<_> = (0..8).map(|n| pool.spawn(&SQUARE, n)).collect();
///     let mut sum = 0;
///     for square in squares {
///         sum += square.join()?;
///     }
///     assert_eq!(sum, 140);
///     Ok(())
/// }
/// ```
///
/// What serde can't write down does not reach another process:
/// ```compile_fail,E0277
/// # use pool_process::{Function, ProcessPool};
/// static RUN: Function<std::thread::ThreadId, u64> = Function::new("run", |_| 0);
/// # fn try_it(pool: ProcessPool) {
/// pool.spawn(&RUN, std::thread::current().id());
/// # }
/// ```
#[derive(Debug)]
pub struct ProcessPool {
    pub(crate) shared: Arc<Shared>,
    supervisor: Mutex<Option<thread::JoinHandle<()>>>,
    /// The supervisor's thread, which must not wait for itself.
    own: ThreadId,
}

impl ProcessPool {
    /// A pool of `workers` processes; 0 is one for each CPU that the process may use.
    ///
    /// # Errors
    /// See [`BuildError`].
    ///
    /// # Blocking
    /// Until they are ready.
    pub fn new(workers: usize) -> Result<Self, BuildError> {
        Self::builder().workers(workers).build()
    }

    /// Options, to be ended by [`Builder::build`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new_with(shared: Arc<Shared>, supervisor: thread::JoinHandle<()>) -> Self {
        Self {
            shared,
            own: supervisor.thread().id(),
            supervisor: Mutex::new(Some(supervisor)),
        }
    }

    /// Runs a function in a worker and returns the handle of its result.
    ///
    /// # Errors
    /// None here: what [`try_spawn`](Self::try_spawn) refuses, joining the handle tells as
    /// [`JobError::Rejected`](crate::JobError::Rejected).
    ///
    /// # Blocking
    /// While a bounded queue is full.
    #[inline]
    pub fn spawn<A, R>(&self, function: &Function<A, R>, args: A) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let limit = self.shared.config.time_limit;
        match self.submit(function, &args, limit, WhenFull::Wait) {
            Ok(call) => JoinHandle::accepted(self.shared.clone(), call),
            Err(reason) => JoinHandle::refused(reason),
        }
    }

    /// As [`spawn`](Self::spawn), with a time limit of its own in place of the pool's.
    ///
    /// # Blocking
    /// While a bounded queue is full.
    pub fn spawn_within<A, R>(
        &self,
        limit: Duration,
        function: &Function<A, R>,
        args: A,
    ) -> JoinHandle<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        match self.submit(function, &args, Some(limit), WhenFull::Wait) {
            Ok(call) => JoinHandle::accepted(self.shared.clone(), call),
            Err(reason) => JoinHandle::refused(reason),
        }
    }

    /// As [`spawn`](Self::spawn), never blocks, and refused arguments come back.
    ///
    /// # Errors
    /// The arguments, when the queue is full, the pool closed, the process forked, the function
    /// not registered, no worker can be started, or the arguments can't be written down.
    pub fn try_spawn<A, R>(
        &self,
        function: &Function<A, R>,
        args: A,
    ) -> Result<JoinHandle<R>, Rejected<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let limit = self.shared.config.time_limit;
        match self.submit(function, &args, limit, WhenFull::Refuse) {
            Ok(call) => Ok(JoinHandle::accepted(self.shared.clone(), call)),
            Err(reason) => Err(Rejected { args, reason }),
        }
    }

    /// Runs a function that nobody joins. What becomes of it, if it is an error, goes to the
    /// failure handler.
    ///
    /// # Errors
    /// As for [`try_spawn`](Self::try_spawn), but for a full queue.
    ///
    /// # Blocking
    /// While a bounded queue is full.
    pub fn execute<A, R>(&self, function: &Function<A, R>, args: A) -> Result<(), Rejected<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.detached(function, args, WhenFull::Wait)
    }

    /// As [`execute`](Self::execute), and never blocks.
    ///
    /// # Errors
    /// As for [`try_spawn`](Self::try_spawn).
    pub fn try_execute<A, R>(&self, function: &Function<A, R>, args: A) -> Result<(), Rejected<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.detached(function, args, WhenFull::Refuse)
    }

    fn detached<A, R>(
        &self,
        function: &Function<A, R>,
        args: A,
        when_full: WhenFull,
    ) -> Result<(), Rejected<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let limit = self.shared.config.time_limit;
        match self.submit(function, &args, limit, when_full) {
            Ok(call) => {
                JoinHandle::<R>::accepted(self.shared.clone(), call).detach();
                Ok(())
            }
            Err(reason) => Err(Rejected { args, reason }),
        }
    }

    fn submit<A, R>(
        &self,
        function: &Function<A, R>,
        args: &A,
        limit: Option<Duration>,
        when_full: WhenFull,
    ) -> Result<Arc<Call>, Reason>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let name = function.name();
        let known = Registry::get().and_then(|registry| registry.find(name));
        if known.is_none_or(|known| known.code() != function.code()) {
            return Err(Reason::NotRegistered(name));
        }
        if limit.is_some_and(|limit| limit.is_zero()) {
            return Err(Reason::NoTime);
        }
        let id = self.shared.new_id();
        let frame = frame::run(id, name, args).map_err(|error| match error {
            RunError::Encode(why) => Reason::Encode(why.to_string()),
            RunError::TooLarge(bytes) => Reason::TooLarge {
                bytes,
                max: frame::MAX_BODY,
            },
        })?;
        let call = Arc::new(Call::new(id, name, frame, limit));
        self.shared.submit(&call, when_full)?;
        Ok(call)
    }

    /// Waits until no job is queued or running.
    ///
    /// # Panics
    /// On the pool's own thread (in a waker or a failure handler), which would wait for itself.
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
            !self.is_own_thread(),
            "wait_idle on the pool's own thread (in a waker or a failure handler) would wait for \
             itself; call it from elsewhere"
        );
        let until = timeout.map(|timeout| StdGround.now().saturating_add(timeout));
        self.shared.is_forked() || self.shared.wait_idle(until)
    }

    /// Ends the pool. Refuses new work from the start, whichever the way.
    ///
    /// * `Drain`: what was accepted runs, then the workers end.
    /// * `Deadline`: as `Drain`, for so long at most; then as `Now`.
    /// * `Now`: what is queued is cancelled, what runs is killed with its worker, and ends with
    ///   [`JobError::Cancelled`](crate::JobError::Cancelled).
    ///
    /// The report counts what was killed as cancelled. Processes can be killed, so nothing is
    /// left behind; `leaked` is more than 0 only when the call is made on the pool's own thread,
    /// which can't wait for its own end, or when the system does not end a process that was killed.
    ///
    /// Callable more than once, and from several threads at once.
    ///
    /// # Blocking
    /// As said above, and until every worker is reaped.
    pub fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        let shared = &self.shared;
        if shared.is_forked() {
            return ShutdownReport::default();
        }
        let now = StdGround.now();
        shared.close(match how {
            Shutdown::Now => Closing::Now,
            Shutdown::Drain | Shutdown::Deadline(_) => Closing::Drain,
        });
        if self.is_own_thread() {
            return self.report();
        }
        let ended = |state: &State| state.ended;
        let done = match how {
            Shutdown::Drain => shared.wait_for(None, ended),
            Shutdown::Deadline(left) => shared.wait_for(Some(now.saturating_add(left)), ended),
            Shutdown::Now => false,
        };
        if !done {
            shared.close(Closing::Now);
            let until = StdGround.now().saturating_add(REAPING);
            if !shared.wait_for(Some(until), ended) {
                return self.report();
            }
        }
        let supervisor = self.supervisor.lock().take();
        if let Some(supervisor) = supervisor {
            let _ = supervisor.join().map_err(unwind::discard);
        }
        self.report()
    }

    /// As [`shutdown`](Self::shutdown) with a deadline.
    ///
    /// # Blocking
    /// For `timeout` at most, and until every worker is reaped.
    pub fn shutdown_timeout(&self, timeout: Duration) -> ShutdownReport {
        self.shutdown(Shutdown::Deadline(timeout))
    }

    fn report(&self) -> ShutdownReport {
        let state = self.shared.state.lock();
        let cancelled = state.stats.cancelled + state.killed;
        ShutdownReport::new(state.stats.ran, cancelled, state.busy as u64)
    }

    fn is_own_thread(&self) -> bool {
        thread::current().id() == self.own
    }

    /// What the pool has done. `threads` counts the processes that were started; a job that
    /// took its worker with it counts as run, one that was killed as cancelled.
    pub fn stats(&self) -> Stats {
        if self.shared.is_forked() {
            return Stats::default();
        }
        self.shared.stats()
    }

    /// What has become of the workers.
    pub fn worker_stats(&self) -> WorkerStats {
        if self.shared.is_forked() {
            return WorkerStats::default();
        }
        self.shared.state.lock().workers
    }

    /// The process numbers of the workers that are alive now, for process viewers and limits.
    pub fn worker_ids(&self) -> Vec<u32> {
        if self.shared.is_forked() {
            return Vec::new();
        }
        let state = self.shared.state.lock();
        let processes = state.slots.iter().filter_map(|slot| slot.process.as_ref());
        processes.map(|process| process.id()).collect()
    }

    /// What this model can do, in the words that every model uses: jobs are preemptive, and can't
    /// wait for each other, since a job has no handle of this pool. It is not an
    /// [`exec_core::Executor`]: see the crate's head for why it can't be.
    pub fn caps(&self) -> Caps {
        Caps::new("pool-process", self.shared.config.workers)
            .preemptive(true)
            .nested(Nested::Fine)
    }

    /// How many workers the pool was built with.
    pub fn workers(&self) -> usize {
        self.shared.config.workers
    }

    /// How many jobs may be queued, where there is a bound.
    pub fn queue_capacity(&self) -> Option<usize> {
        self.shared.config.capacity
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        if self.shared.is_forked() {
            // Joining or detaching would touch a thread that is not here.
            if let Some(mut supervisor) = self.supervisor.try_lock() {
                mem::forget(supervisor.take());
            }
            // So would reaping touch the parent's workers.
            mem::forget(self.shared.clone());
        } else {
            let _ = self.shutdown(Shutdown::Drain);
        }
    }
}
