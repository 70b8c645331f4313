//! What the pool's owner and its workers share, and the way of a job from one to the other.
//!
//! # Protocol
//! A spawn is refused when the process was forked, the pool is closed, or there is no room.
//! Otherwise the job is queued, and a sleeper is woken where needed ([`sleep`](crate::sleep)).
//!
//! # Shutdown
//! A spawn that meets the close in the middle queues its job into a pool whose workers may have
//! ended already. It finds out after queueing, and takes one job out of the queue again. Whoever
//! is in this position puts one in and takes one out, so none is left behind. As a rule it is
//! the spawn's own job, which is refused; one of another spawn in the same position is cancelled,
//! as its own will be by that one. (Closures that nobody can join are all alike and are handed
//! back to either.) So each job is run, handed back, or cancelled, and a joiner hears of it.

use exec_core::{
    JobId, Payload, Reason, Rejected, SmallJob, forks, sync::atomic::AtomicUsize, unwind,
};

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

    /// Whether a job may be queued now; where there is a bound, its place is taken.
    ///
    /// # Errors
    /// The reason why not.
    ///
    /// # Blocking
    /// Until there is room, with [`WhenFull::Wait`].
    #[inline]
    pub(crate) fn admit(&self, when_full: WhenFull) -> Result<(), Reason> {
        if self.is_forked() {
            return Err(Reason::Forked);
        }
        // The next poll of a future belongs to what was accepted before a close.
        if self.sleep.phase() != 0 && when_full != WhenFull::Exceed {
            return Err(Reason::ShutDown);
        }
        match &self.bound {
            None => Ok(()),
            Some(bound) => self.take_place(bound, when_full),
        }
    }

    /// Queues the job that `make` makes, whose id is `id`, after it was admitted.
    ///
    /// The job is made inside, where it goes into the queue: a large value that is written word
    /// by word and then moved in larger pieces costs several times what the queue does.
    ///
    /// # Errors
    /// The job, when the pool has ended meanwhile.
    #[inline(always)]
    pub(crate) fn queue(&self, id: JobId, make: impl FnOnce() -> SmallJob) -> Result<(), Rejected> {
        self.jobs.push(make);
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
        let mut slot = None;
        self.pop(&mut slot);
        match slot {
            Some(own) if own.id() == id => Err(Rejected::new(own.into_job(), Reason::ShutDown)),
            Some(another) => {
                self.totals.cancel(1);
                drop(another);
                Ok(())
            }
            // Whoever took it has handed it back or cancelled it.
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

    /// Moves the first job into the empty `slot`; `false` when there is none.
    #[inline]
    pub(crate) fn pop(&self, slot: &mut Option<SmallJob>) -> bool {
        let found = self.jobs.pop(slot);
        if let Some(bound) = &self.bound
            && found
        {
            bound.give();
        }
        found
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
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
        let mut slot = None;
        while self.pop(&mut slot) {
            self.totals.cancel(1);
            slot = None;
        }
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
