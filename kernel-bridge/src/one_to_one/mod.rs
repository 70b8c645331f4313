//! The model without a scheduler: each job is a thread of its own.
//!
//! Spawning creates a thread, joining joins it, forking forks a thread, and a future is a thread
//! that sleeps between its polls. The ground underneath decides what a thread is: the host's, or
//! our kernel's. It is the most expensive model and the one with the fewest surprises: jobs may
//! block, wait for each other, and run for ever, and the system shares the CPUs out among them.
//!
//! [`entry`] is what a thread runs, [`ticket`] how it is joined, [`driver`] how a future keeps
//! its thread, [`shared`] who may start and when all have ended.
//!
//! # Shutdown
//! `Drain` waits for every thread. `Deadline` does for a while, then cancels the futures that
//! wait; a closure that runs is left behind and counted as leaked. `Now` ends the whole process
//! where the ground can (`exit_group` in our kernel), and else cancels the futures and leaves the
//! rest behind. A job that shuts its own executor down only closes it: waiting for all threads
//! would be waiting for itself.

mod builder;
mod driver;
mod entry;
mod shared;
mod ticket;

use alloc::{boxed::Box, format, string::String};
use core::fmt;

use exec_core::{
    Caps, CreateReason, Executor, Ground, Job, Meta, Nested, Reason, Rejected, Shutdown,
    ShutdownReport, Stats, Threads, Ticket, Wake, fork_join, sync::Arc, task::TaskRef,
    wait::Waiter,
};

pub use self::builder::Builder;
use self::{
    entry::{Admission, Entry},
    shared::{Counts, Refusal, Shared},
    ticket::{JoinThread, Park},
};

/// An executor that gives each job a thread of its own.
///
/// Dropping it waits for all of its threads, like a pool of this family; dropped by one of its
/// own jobs, it leaves them to end by themselves. A future that has not ended keeps its executor,
/// which is dropped after it then.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use exec_core::Handle;
/// use kernel_bridge::{Host, OneToOne};
///
/// let handle = Handle::new(OneToOne::<Host>::new());
/// let outer = {
///     let inner = handle.clone();
///     handle.spawn(move || inner.spawn(|| 20).join().unwrap() + 22)
/// };
/// assert_eq!(outer.join().unwrap(), 42);
/// # }
/// ```
pub struct OneToOne<T: Threads> {
    shared: Arc<Shared<T>>,
}

impl<T: Threads> OneToOne<T> {
    /// An executor with the ground's defaults and no limit of its own.
    pub fn new() -> Self {
        Builder::new().build()
    }

    /// Options, to be ended by [`Builder::build`].
    pub fn builder() -> Builder<T> {
        Builder::new()
    }
}

impl<T: Threads> Executor for OneToOne<T> {
    /// Creates a thread for the job.
    ///
    /// # Errors
    /// The job, when the executor is closed or at its limit, or when the ground has no thread.
    fn schedule(&self, job: Job, meta: &Meta<'_>) -> Result<Ticket, Rejected> {
        let shared = &self.shared;
        match shared.admit() {
            Ok(()) => {}
            Err(Refusal::Closed) => return Err(Rejected::new(job, Reason::ShutDown)),
            Err(Refusal::AtLimit) => {
                let why = format!("the executor's limit is {} at once", shared.limit());
                let why = CreateReason::OutOfThreads(why.into());
                return Err(Rejected::new(job, Reason::OutOfThreads(why)));
            }
        }
        let admission = Admission::new(shared);
        let driver = shared.drivers.find(&shared.ground, job.id());
        let entry = Entry::into_job(job, driver.clone(), admission);
        let created = match meta.name {
            None => shared.ground.create(&shared.spec, entry),
            Some(name) => {
                let spec = shared.spec.clone().name(String::from(name));
                shared.ground.create(&spec, entry)
            }
        };
        match created {
            Ok(thread) => {
                Counts::add(&shared.counts().scheduled);
                Counts::add(&shared.counts().threads);
                let waiter = JoinThread::<T>::new(thread, driver);
                Ok(Ticket::own(Box::new(waiter)))
            }
            Err(error) => {
                let (Ok(job) | Err(job)) = Entry::<T>::recover(error.entry);
                Err(Rejected::new(job, Reason::OutOfThreads(error.reason)))
            }
        }
    }

    /// Passes the poll to the future's own thread; after a shutdown too, which waits for that
    /// thread.
    fn reschedule(&self, job: Job, _: Wake) -> Result<(), Rejected> {
        let shared = &self.shared;
        match shared.drivers.post(&shared.ground, job) {
            Ok(()) => {
                Counts::add(&shared.counts().scheduled);
                Counts::add(&shared.counts().wakes);
                Ok(())
            }
            Err(job) => Err(Rejected::new(job, Reason::ShutDown)),
        }
    }

    fn adopt(&self, task: TaskRef) -> usize {
        self.shared.drivers.adopt(&self.shared.ground, task)
    }

    fn disown(&self, key: usize) {
        self.shared.drivers.disown(&self.shared.ground, key);
    }

    fn waiter(&self) -> &'static dyn Waiter {
        const { &Park::<T>::NEW }
    }

    fn ground(&self) -> &dyn Ground {
        &self.shared.ground
    }

    fn caps(&self) -> Caps {
        Caps::new("one-to-one", 0)
            .preemptive(true)
            .parallel_join(true)
            .nested(Nested::Fine)
    }

    /// A thread for `b`, whatever it is worth.
    fn join_dyn(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        fork_join(self, a, b);
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.shared.shutdown(how)
    }

    fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl<T: Threads> Default for OneToOne<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Threads> Drop for OneToOne<T> {
    /// # Blocking
    /// Until all threads have ended, unless one of them is the caller.
    fn drop(&mut self) {
        let _ = self.shared.shutdown(Shutdown::Drain);
    }
}

impl<T: Threads> fmt::Debug for OneToOne<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneToOne")
            .field("limit", &self.shared.limit())
            .field("stats", &self.shared.stats())
            .finish_non_exhaustive()
    }
}
