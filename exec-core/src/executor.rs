//! The trait that every model implements, and what it can say about itself.

use core::{fmt, future::Future, panic::Location, pin::Pin, task::Waker, time::Duration};

use alloc::boxed::Box;

use crate::{
    block_on,
    error::Rejected,
    ground::{Ground, Nanos},
    job::Job,
    stats::Stats,
    sync::Arc,
    task::{Probe, Schedule, TaskRef},
    wait::Waiter,
};

/// Where do my closures and futures run? The object-safe core that every model implements.
///
/// Users do not call it; they use [`Handle`](crate::Handle), which is written once above it.
/// The smallest model implements [`schedule`](Self::schedule), [`waiter`](Self::waiter),
/// [`ground`](Self::ground), [`caps`](Self::caps), [`shutdown`](Self::shutdown) and
/// [`stats`](Self::stats), and is then able to run closures, scopes, fork-join and futures.
/// The `conformance` feature tests any implementation.
pub trait Executor: Send + Sync + 'static {
    /// Takes a job to run it once, on a thread of the model's choice.
    ///
    /// # Errors
    /// The job comes back with the reason. An accepted job is run, or dropped by a shutdown.
    fn schedule(&self, job: Job, meta: &Meta<'_>) -> Result<Ticket, Rejected>;

    /// Takes the next poll of a future that was woken (or that yielded, as `wake` says).
    ///
    /// A refusal cancels the future, and a waker must not block: a model with a bounded queue
    /// takes these beyond its bound.
    ///
    /// # Errors
    /// The job comes back with the reason.
    fn reschedule(&self, job: Job, wake: Wake) -> Result<(), Rejected> {
        let _ = wake;
        self.schedule(job, &Meta::new().without_waiting()).map(drop)
    }

    /// Notes a future that starts to live on this executor and returns a key for it, so that a
    /// shutdown can cancel futures that wait. A model that does not keep such a list returns 0.
    fn adopt(&self, task: TaskRef) -> usize {
        drop(task);
        0
    }

    /// Forgets the future that [`adopt`](Self::adopt) gave `key` for; called exactly once.
    fn disown(&self, key: usize) {
        let _ = key;
    }

    /// Something to go with a future of `bytes` bytes that is about to be spawned and see its polls,
    /// for a model that shows its tasks. `None`: it is polled as it is.
    fn probe(&self, meta: &Meta<'_>, bytes: usize) -> Option<Box<dyn Probe>> {
        let _ = (meta, bytes);
        None
    }

    /// Where the polls of futures go, when that is not the executor itself.
    ///
    /// A future keeps its home for as long as it lives. A model that cancels its waiting futures
    /// when it is dropped gives them a home apart, since futures that kept the executor would keep
    /// it from ever being dropped. `None`: they keep the executor.
    fn home(&self) -> Option<Arc<dyn Schedule>> {
        None
    }

    /// How a thread blocks for a job of this model.
    ///
    /// It is `'static` and shared: it must find out by itself (by its ground's thread-local
    /// state) whether the current thread is a worker, and of which executor.
    fn waiter(&self) -> &'static dyn Waiter;

    /// The ground the model stands on.
    fn ground(&self) -> &dyn Ground;

    /// What this model can do.
    fn caps(&self) -> Caps;

    /// Runs `a` and `b`, in parallel where the model can, and returns when both are done.
    ///
    /// # Panics
    /// With the panic of `a` or else of `b`; only after both have ended or will never start.
    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        a();
        b();
    }

    /// Drives a future on the current thread until it is ready.
    ///
    /// # Blocking
    /// Until the future is ready.
    fn block_on_dyn(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        block_on::park(self.ground(), future);
    }

    /// Arranges for `waker` to be called at `until`, and perhaps once before that. `false`: this
    /// model has no timers, and a sleeping job blocks its thread.
    fn wake_at(&self, until: Nanos, waker: &Waker) -> bool {
        let _ = (until, waker);
        false
    }

    /// Ends the executor; see [`Shutdown`] for how.
    ///
    /// Idempotent, and callable from several threads at once.
    ///
    /// # Blocking
    /// As [`Shutdown`] says.
    fn shutdown(&self, how: Shutdown) -> ShutdownReport;

    /// What it has done so far.
    fn stats(&self) -> Stats;
}

/// What a model knows about a job besides the job.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Meta<'a> {
    /// A name for the job, where the user gave one; one-to-one names the thread after it.
    pub name: Option<&'a str>,
    /// Where the job was spawned.
    pub location: &'static Location<'static>,
    /// Whether a model whose queue is full may block the caller until there is room; it refuses
    /// with [`Reason::Full`](crate::Reason::Full) otherwise.
    pub wait_for_room: bool,
}

impl<'a> Meta<'a> {
    /// No name, the caller's place in the source, and the caller may block for room.
    #[track_caller]
    pub const fn new() -> Self {
        Self {
            name: None,
            location: Location::caller(),
            wait_for_room: true,
        }
    }

    /// Adds a name.
    #[must_use]
    pub const fn named(self, name: &'a str) -> Self {
        Self {
            name: Some(name),
            location: self.location,
            wait_for_room: self.wait_for_room,
        }
    }

    /// Says that a full queue is to refuse, not to block.
    #[must_use]
    pub const fn without_waiting(mut self) -> Self {
        self.wait_for_room = false;
        self
    }
}

impl Default for Meta<'_> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// Why a future is polled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its waker was called while it waited.
    Woken,
    /// Its waker was called while it ran: it wants to go on, after others.
    Yielded,
}

/// A model's receipt for an accepted job: a way to wait for just this job, where the model has
/// one besides its [`Waiter`] (a thread to join).
#[derive(Default)]
pub struct Ticket(Option<Box<dyn Waiter>>);

impl Ticket {
    /// The job is waited for with the model's shared waiter.
    pub const fn shared() -> Self {
        Self(None)
    }

    /// The job is waited for with `waiter`; dropping the ticket lets go of it (detaches).
    pub fn own(waiter: Box<dyn Waiter>) -> Self {
        Self(Some(waiter))
    }

    /// The job's own waiter, where there is one.
    pub fn waiter(&self) -> Option<&dyn Waiter> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("own", &self.0.is_some())
            .finish()
    }
}

/// What happens when a job waits for another job of the same executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nested {
    /// Always fine: every job has a thread of its own, or waiting does not hold a worker.
    Fine,
    /// Can deadlock, and is not detected.
    Deadlocks,
    /// The waiting worker runs other jobs, any of them.
    HelpsAny,
    /// The waiting worker runs only jobs of its own subtree.
    HelpsOwnSubtree,
    /// Another thread takes the worker's place while it waits.
    Compensates,
    /// A wait that could never end is refused with an error.
    Refuses,
}

/// What a model is and can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// The model's name, as the lab prints it.
    pub model: &'static str,
    /// Threads that run jobs; 0 when there is no fixed number.
    pub workers: usize,
    /// Whether a job that never yields leaves the others running.
    pub preemptive: bool,
    /// Whether futures are polled natively (own queue, own timers) instead of as plain jobs.
    pub native_futures: bool,
    /// Whether `join(a, b)` may run `a` and `b` at the same time.
    pub parallel_join: bool,
    /// What waiting inside a job does.
    pub nested: Nested,
}

impl Caps {
    /// A model with this name and number of workers, and no abilities beyond.
    pub const fn new(model: &'static str, workers: usize) -> Self {
        Self {
            model,
            workers,
            preemptive: false,
            native_futures: false,
            parallel_join: false,
            nested: Nested::Deadlocks,
        }
    }

    /// Sets [`preemptive`](Self::preemptive).
    #[must_use]
    pub const fn preemptive(mut self, yes: bool) -> Self {
        self.preemptive = yes;
        self
    }

    /// Sets [`native_futures`](Self::native_futures).
    #[must_use]
    pub const fn native_futures(mut self, yes: bool) -> Self {
        self.native_futures = yes;
        self
    }

    /// Sets [`parallel_join`](Self::parallel_join).
    #[must_use]
    pub const fn parallel_join(mut self, yes: bool) -> Self {
        self.parallel_join = yes;
        self
    }

    /// Sets [`nested`](Self::nested).
    #[must_use]
    pub const fn nested(mut self, nested: Nested) -> Self {
        self.nested = nested;
        self
    }
}

/// How to end an executor.
///
/// Whichever way: work that is spawned from now on is refused and comes back. There is no way
/// to kill one running job: a killed thread does not unwind, and the dead owner of a scope would
/// free a stack that its jobs still borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Run everything that was accepted, then end. Blocks until then.
    Drain,
    /// As `Drain`, for this long at most; what is queued then is cancelled, what still runs is
    /// left behind and counted as leaked. Blocks for that long at most.
    Deadline(Duration),
    /// Cancel what is queued, and wait for nothing that runs. In our kernel, one-to-one ends the
    /// whole process (`exit_group`). Blocks only for what is needed to cancel.
    Now,
}

/// What a shutdown found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a report may tell of work that was cancelled or is still running"]
pub struct ShutdownReport {
    /// Jobs that ended while it waited, or had ended before.
    pub finished: u64,
    /// Jobs and futures that were dropped unrun or unfinished.
    pub cancelled: u64,
    /// Jobs that still run, on threads that nobody waits for any more.
    pub leaked: u64,
}

impl ShutdownReport {
    /// A report of these three numbers.
    pub const fn new(finished: u64, cancelled: u64, leaked: u64) -> Self {
        Self {
            finished,
            cancelled,
            leaked,
        }
    }

    /// Whether nothing was cancelled and nothing still runs.
    pub const fn is_clean(&self) -> bool {
        self.cancelled == 0 && self.leaked == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} finished, {} cancelled, {} still running",
            self.finished, self.cancelled, self.leaked
        )
    }
}
