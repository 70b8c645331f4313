//! What the pool's owner and its workers share, and the way of a job from one to the other.
//!
//! # Protocol
//! A spawn is refused when the process was forked, the pool is closed, or there is no room.
//! Otherwise the job is queued, and a sleeper is woken where needed ([`sleep`](crate::sleep)).
//!
//! # Shutdown
//! A spawn that meets the close in the middle queues its job into a pool whose workers may have
//! ended already. It finds out after queueing, takes everything out of the queue again, gets its
//! own job back as refused, and cancels the rest, which are of other spawns in the same
//! position. So an accepted job is run, or its joiner hears `Cancelled`; none is left behind.

use exec_core::{Job, JobId, Payload, Reason, Rejected, forks, sync::atomic::AtomicUsize, unwind};

use crate::{
    bound::Bound,
    builder::Builder,
    counters::Totals,
    queue::Jobs,
    sleep::{CANCELLED, CLOSED, Sleep},
    wait::PoolWaiter,
};

/// What is called with the payload of a panic that nobody joins.
pub(crate) type PanicHandler = Box<dyn Fn(Payload) + Send + Sync>;

/// What a spawn does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Waits for room, unless it is a worker that would have to make it.
    Wait,
    /// Is refused.
    Refuse,
    /// Goes beyond the bound.
    Exceed,
}

pub(crate) struct Shared {
    jobs: Jobs,
    bound: Option<Bound>,
    pub(crate) sleep: Sleep,
    pub(crate) totals: Totals,
    /// Workers that wait inside of a job and cannot do anything else until they are woken.
    pub(crate) blocked: AtomicUsize,
    pub(crate) workers: usize,
    /// Who this pool is, for its join handles.
    pub(crate) waiter: &'static PoolWaiter,
    forks: usize,
    panic_handler: Option<PanicHandler>,
}

impl Shared {
    pub(crate) fn new(builder: Builder, workers: usize) -> Self {
        Self {
            jobs: Jobs::new(builder.queue),
            bound: builder.capacity.map(Bound::new),
            sleep: Sleep::new(workers),
            totals: Totals::new(workers),
            blocked: AtomicUsize::new(0),
            workers,
            waiter: PoolWaiter::claim(),
            forks: forks::watch(),
            panic_handler: builder.panic_handler,
        }
    }

    /// Whether this is a child process, which the workers are not in.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        forks::count() != self.forks
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        self.bound.as_ref().map(Bound::capacity)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The job, with the reason.
    ///
    /// # Blocking
    /// Until there is room, with [`WhenFull::Wait`].
    #[inline]
    pub(crate) fn submit(&self, job: Job, when_full: WhenFull) -> Result<(), Rejected> {
        if self.is_forked() {
            return Err(Rejected::new(job, Reason::Forked));
        }
        // The next poll of a future belongs to what was accepted before a close.
        if self.sleep.phase() != 0 && when_full != WhenFull::Exceed {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        if let Some(bound) = &self.bound
            && let Err(reason) = self.take_place(bound, when_full)
        {
            return Err(Rejected::new(job, reason));
        }
        let id = job.id();
        self.jobs.push(job);
        if self.sleep.posted() {
            return self.attend(id);
        }
        Ok(())
    }

    #[cold]
    fn attend(&self, id: JobId) -> Result<(), Rejected> {
        if self.sleep.attend() {
            return Ok(());
        }
        match self.sweep(id) {
            Some(job) => Err(Rejected::new(job, Reason::ShutDown)),
            // Another sweep was first: the job has been cancelled.
            None => Ok(()),
        }
    }

    fn take_place(&self, bound: &Bound, when_full: WhenFull) -> Result<(), Reason> {
        match when_full {
            WhenFull::Exceed => bound.take_anyway(),
            WhenFull::Refuse => {
                if !bound.try_take() {
                    return Err(Reason::Full);
                }
            }
            WhenFull::Wait => {
                if bound.try_take() {
                    return Ok(());
                }
                if crate::worker::is_worker_of(self) {
                    return Err(Reason::Full);
                }
                if !bound.take(|| self.sleep.phase() != 0) {
                    return Err(Reason::ShutDown);
                }
            }
        }
        Ok(())
    }

    /// Takes the first job.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Job> {
        let job = self.jobs.pop()?;
        if let Some(bound) = &self.bound {
            bound.give();
        }
        Some(job)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes all jobs out of the queue and cancels them, except the one that comes back.
    pub(crate) fn sweep(&self, keep: JobId) -> Option<Job> {
        let mut kept = None;
        while let Some(job) = self.pop() {
            if kept.is_none() && job.id() == keep {
                kept = Some(job);
            } else {
                self.totals.cancel(1);
                drop(job);
            }
        }
        kept
    }

    /// No spawn is accepted from now on.
    pub(crate) fn close(&self) {
        self.sleep.enter(CLOSED);
        if let Some(bound) = &self.bound {
            bound.close();
        }
    }

    /// No queued job is run from now on.
    pub(crate) fn cancel(&self) {
        self.sleep.enter(CLOSED | CANCELLED);
        if let Some(bound) = &self.bound {
            bound.close();
        }
        let none = self.sweep(JobId::NONE);
        debug_assert!(none.is_none(), "invariant: no queued job is nobody");
    }

    /// A job panicked, and nobody will join it.
    pub(crate) fn panicked(&self, payload: Payload) {
        match &self.panic_handler {
            Some(handler) => {
                let _ = unwind::catch(|| handler(payload)).map_err(unwind::discard);
            }
            // The panic hook has told it.
            None => unwind::discard(payload),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.waiter.release(self.is_forked());
    }
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared")
            .field("workers", &self.workers)
            .field("capacity", &self.capacity())
            .field("stats", &self.totals.stats())
            .finish_non_exhaustive()
    }
}
