//! A worker: its seat, its life, and how it runs jobs. [`search`](crate::search) says where it
//! looks for them, [`waiting`](crate::waiting) what it does while it waits inside one.
//!
//! # Shutdown
//! A worker leaves when the pool has stopped or has shrunk below its seat. What its own queues
//! still hold is dropped then, or run when the pool goes on.

use std::{
    cell::Cell,
    marker::PhantomData,
    ptr,
    time::{Duration, Instant},
};

use exec_core::{
    Ground, JobId, StdGround,
    sync::{Arc, UnsafeCell, atomic::Ordering::Release},
    unwind,
};
use flight_recorder::Event;

use crate::{
    affinity,
    fork::Fork,
    job::QueuedJob,
    policy::WaitPolicy,
    queue::{deque, injector::Reader, spill},
    registry::{Refused, Registry},
    search::POLL_MAX,
    seat::Seat,
    sleep::Sleep,
};

/// Jobs a deque holds before further ones go to the spill, whose blocks do not have to grow.
const DEQUE_MAX: usize = 256;

/// A thread of a pool, as the code that runs on it sees it.
///
/// Jobs get it by [`Worker::with_current`], the closures of [`Worker::join`] by argument: passing
/// it on saves each join the look into thread-local state.
///
/// It is the worker's seat in the registry, seen from the thread that sits there: a `&Worker`
/// exists on that thread only.
#[repr(transparent)]
pub struct Worker {
    seat: Seat,
    /// It stays on its thread.
    not_send: PhantomData<*mut ()>,
}

/// What only the worker's own thread touches.
pub(crate) struct Local(UnsafeCell<Option<Own>>);

// SAFETY: the content is reached by the thread that sits in the seat only: through a `&Worker`,
// which does not leave that thread, and by `sit` and `leave`, which that thread calls.
unsafe impl Sync for Local {}
// SAFETY: as for `Sync`; while nobody sits there it is empty.
unsafe impl Send for Local {}

impl Local {
    /// Nobody sits here.
    pub(crate) fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }
}

pub(crate) struct Own {
    index: usize,
    registry: Arc<Registry>,
    deque: deque::Worker<QueuedJob>,
    /// How many jobs were ever pushed to `deque` and not popped by this worker: an index that
    /// thieves do not move.
    bottom: Cell<usize>,
    /// Jobs that `deque` has room for at least, before its length has to be looked at.
    room: Cell<usize>,
    /// What it takes out of the injector.
    reader: Reader<QueuedJob>,
    /// What it takes out of the spills of all workers.
    spill_reader: spill::Reader<QueuedJob>,
    /// Whether its own spill may hold something: only it adds there.
    spilled: Cell<bool>,
    /// The worker whose spill it took the last job from, until that has nothing more.
    source: Cell<Option<usize>>,
    /// The innermost queued job that is being run.
    inside: Cell<*const Inside>,
    pub(crate) tick: Cell<u32>,
    pub(crate) random: Cell<u64>,
    pub(crate) poll: Cell<Duration>,
}

/// A queued job that is being run, on the stack of its worker.
struct Inside {
    id: JobId,
    /// Where its own jobs begin in the deque.
    base: usize,
    outer: *const Inside,
}

/// Something to run.
pub(crate) enum Work {
    Queued(QueuedJob),
    Forked(*mut Fork),
}

thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

impl Worker {
    /// The worker that this thread is.
    #[inline]
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
        // SAFETY: the pointer is null or leads to the seat that this thread sits in, and `run` does
        // not leave before it has reset the pointer; the callers do not keep the
        // reference beyond their own frame.
        unsafe { current.as_ref() }
    }

    /// The worker that this thread is, if it is one of `registry`.
    #[inline]
    pub(crate) fn current_of<'a>(registry: &Registry) -> Option<&'a Worker> {
        Self::current().filter(|worker| ptr::eq(&raw const **worker.registry(), registry))
    }

    /// Calls `f` with the worker that this thread is, or with `None` outside of every pool.
    pub fn with_current<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        f(Self::current())
    }

    #[inline]
    pub(crate) fn own(&self) -> &Own {
        // SAFETY: this thread sits here, so that nobody writes the cell.
        let own = self.seat.local.0.with(|own| unsafe { &*own });
        own.as_ref()
            .expect("invariant: the cell is filled while a thread sits there")
    }

    /// Its index in the pool.
    #[inline]
    pub fn index(&self) -> usize {
        self.own().index
    }

    /// How many workers its pool has.
    pub fn num_threads(&self) -> usize {
        self.registry().threads()
    }

    #[inline]
    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    #[inline]
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.own().registry
    }

    #[inline]
    pub(crate) fn sleep(&self) -> &Sleep {
        &self.registry().sleep
    }

    pub(crate) fn policy(&self) -> WaitPolicy {
        self.registry().config.policy
    }

    /// The current thread sits down.
    pub(crate) fn sit(registry: &Arc<Registry>, index: usize) -> *const Worker {
        let seat = &registry.seats()[index];
        let own = Own {
            index,
            registry: registry.clone(),
            deque: seat.sit(),
            bottom: Cell::new(0),
            room: Cell::new(0),
            reader: Reader::new(),
            spill_reader: spill::Reader::new(),
            spilled: Cell::new(true),
            source: Cell::new(None),
            inside: Cell::new(ptr::null()),
            tick: Cell::new(0),
            random: Cell::new(0x9e37_79b9_7f4a_7c15 ^ ((index as u64 + 1) << 32)),
            poll: Cell::new(POLL_MAX),
        };
        // SAFETY: `sit` lets one thread at a time in, so nobody else reaches the cell.
        seat.local.0.with_mut(|local| unsafe { *local = Some(own) });
        let worker = ptr::from_ref(seat).cast::<Worker>();
        CURRENT.set(worker);
        worker
    }

    /// The life of a worker thread.
    pub(crate) fn run(registry: Arc<Registry>, index: usize) {
        let seat = &registry.seats()[index];
        let worker = Self::sit(&registry, index);
        {
            // SAFETY: `Worker` is a transparent wrapper of the seat, which the registry keeps, and
            // this is the thread that sits there.
            let worker = unsafe { &*worker };
            if let Some(cpu) = registry.config.affinity.as_ref().and_then(|cpu| cpu(index)) {
                affinity::pin(cpu);
            }
            worker.call_handler(&registry.config.start_handler);
            worker.sleep().arrive(index);
            worker.main_loop();
            worker.call_handler(&registry.config.exit_handler);
            worker.hand_over();
            worker.sleep().depart(index, || registry.has_shared_work());
        }
        CURRENT.set(ptr::null());
        // SAFETY: as above; the reference to the worker is gone.
        let own = seat.local.0.with_mut(|local| unsafe { (*local).take() });
        if let Some(own) = own {
            seat.leave(own.deque);
        }
    }

    fn call_handler(&self, handler: &Option<Box<crate::registry::IndexHandler>>) {
        if let Some(handler) = handler
            && let Err(payload) = unwind::catch(|| handler(self.own().index))
        {
            self.registry().unseen_panic(payload);
        }
    }

    /// Runs until it has to leave; counts as searching then.
    fn main_loop(&self) {
        // It arrived as a searcher.
        while let Some(work) = self.search() {
            self.sleep().stop_search(|| self.is_there_more());
            self.seat().counters.wakes.add();
            self.run_work(work);
            while !self.registry().must_leave(self.own().index)
                && let Some(job) = self.find_queued()
            {
                self.run_queued(job);
            }
            self.sleep().start_search();
        }
    }

    /// Empties the queues of a worker that leaves.
    fn hand_over(&self) {
        loop {
            if let Some(job) = self.pop() {
                self.finish(job);
            } else if let Some(job) = self.take_spilled() {
                self.pass_on(job);
            } else {
                break;
            }
        }
        for job in self.seat().close_mail() {
            self.finish(job);
        }
        self.seat().spill.settle(&self.own().spill_reader);
    }

    /// As [`finish`](Self::finish) for one of perhaps many jobs: the others get it.
    fn pass_on(&self, job: QueuedJob) {
        if self.registry().is_stopped() {
            self.finish(job);
        } else if let Err((job, _)) = self.registry().inject(|| job) {
            self.finish(job);
        }
    }

    /// A pool that shrinks goes on, and so do the jobs; a stopped one cancels them.
    fn finish(&self, job: QueuedJob) {
        if self.registry().is_stopped() {
            drop(job);
            self.registry().count_cancelled();
        } else {
            self.run_queued(job);
        }
    }

    pub(crate) fn run_work(&self, work: Work) {
        match work {
            Work::Queued(job) => self.run_queued(job),
            Work::Forked(fork) => self.run_stolen(fork),
        }
    }

    /// Runs a queued job; a panic that nobody joins goes to the handler.
    pub(crate) fn run_queued(&self, job: QueuedJob) {
        let seat = self.seat();
        let outermost = self.own().inside.get().is_null();
        if outermost {
            seat.running.store(true, Release);
        }
        let result = self.within(job.id(), || {
            self.recorded(Event::JobStart, Event::JobEnd, || job.run())
        });
        if outermost {
            seat.running.store(false, Release);
        }
        seat.counters.ran.add();
        if let Err(payload) = result {
            self.registry().unseen_panic(payload);
        }
    }

    pub(crate) fn run_stolen(&self, fork: *mut Fork) {
        self.within(JobId::NONE, || {
            self.recorded(Event::StolenStart, Event::StolenEnd, || {
                // SAFETY: it came out of a deque, once.
                unsafe { Fork::run(fork, self) };
            });
        });
    }

    /// Calls `f` between two events, and times it, when the pool records.
    #[inline]
    fn recorded<R>(&self, start: Event, end: Event, f: impl FnOnce() -> R) -> R {
        if !self.registry().is_recording() {
            return f();
        }
        let since = Instant::now();
        self.note(start, 0);
        let result = f();
        self.note(end, 0);
        self.seat().counters.took(since.elapsed());
        result
    }

    /// Notes an event, when the pool records.
    #[inline]
    pub(crate) fn note(&self, event: Event, argument: u64) {
        if self.registry().is_recording() {
            self.seat().ring.write(StdGround.now().0, event, argument);
        }
    }

    /// Calls `f` as the innermost job; `f` does not unwind.
    fn within<R>(&self, id: JobId, f: impl FnOnce() -> R) -> R {
        let inside = Inside {
            id,
            base: self.own().bottom.get(),
            outer: self.own().inside.get(),
        };
        self.own().inside.set(&raw const inside);
        let result = f();
        self.own().inside.set(inside.outer);
        result
    }

    /// Whether the job `id` is one of those that are being run here.
    pub(crate) fn is_inside(&self, id: JobId) -> bool {
        let mut at = self.own().inside.get();
        // SAFETY: the list leads through frames of this thread's stack that are still live.
        while let Some(inside) = unsafe { at.as_ref() } {
            if inside.id == id && id != JobId::NONE {
                return true;
            }
            at = inside.outer;
        }
        false
    }

    /// Adds a job to its deque, or to its spill when the deque is long.
    ///
    /// # Errors
    /// The job with the reason.
    #[inline]
    pub(crate) fn push(&self, make: impl FnOnce() -> QueuedJob) -> Result<(), Refused> {
        if !self.has_room() {
            return self.push_beyond(make);
        }
        self.push_here(make());
        Ok(())
    }

    /// Adds a job to its spill, or to the injector where a bound counts what is queued.
    #[inline]
    fn push_beyond(&self, make: impl FnOnce() -> QueuedJob) -> Result<(), Refused> {
        let registry = self.registry();
        if registry.config.queue_bound.is_some() || registry.is_forked() {
            return registry.inject(make);
        }
        // SAFETY: this is the thread that sits here, and a seat is handed over under a lock.
        unsafe { self.seat().spill.push(make) };
        self.own().spilled.set(true);
        self.seat().counters.pushed.add();
        self.sleep().posted();
        Ok(())
    }

    /// Adds a job to its deque, however long that is: for jobs that it has to find there again.
    #[inline]
    pub(crate) fn push_here(&self, job: QueuedJob) {
        let own = self.own();
        own.deque.push(job);
        own.bottom.set(own.bottom.get() + 1);
        own.room.set(own.room.get().saturating_sub(1));
        self.seat().counters.pushed.add();
        self.sleep().posted();
    }

    /// Whether its deque is short enough for one more job; looks at the thieves' end, whose cache
    /// line they own, only when it might not be.
    #[inline]
    fn has_room(&self) -> bool {
        let own = self.own();
        if own.room.get() == 0 {
            own.room.set(DEQUE_MAX.saturating_sub(own.deque.len()));
        }
        own.room.get() != 0
    }

    /// The oldest job of the injector.
    #[inline]
    pub(crate) fn take_injected(&self) -> Option<QueuedJob> {
        self.registry().take_injected_by(&self.own().reader)
    }

    /// The newest job of its deque.
    #[inline]
    pub(crate) fn pop(&self) -> Option<QueuedJob> {
        let job = self.own().deque.pop()?;
        self.own().bottom.set(self.own().bottom.get() - 1);
        self.own().room.set(self.own().room.get() + 1);
        Some(job)
    }

    /// The oldest job of its spill.
    #[inline]
    pub(crate) fn take_spilled(&self) -> Option<QueuedJob> {
        let own = self.own();
        if !own.spilled.get() {
            return None;
        }
        let job = self.seat().spill.take_by(&own.spill_reader);
        own.spilled.set(job.is_some());
        job
    }

    /// The next job of the spill that the last one came from.
    #[inline]
    pub(crate) fn take_again(&self) -> Option<QueuedJob> {
        let own = self.own();
        let source = own.source.get()?;
        let job = own.registry.seats()[source]
            .spill
            .take_by(&own.spill_reader);
        if job.is_some() {
            self.stole_from(source);
        } else {
            own.source.set(None);
        }
        job
    }

    /// A spawned job of another worker; of those beyond its deque first, which come cheaper.
    pub(crate) fn take_spawned_of(&self, index: usize) -> Option<QueuedJob> {
        let own = self.own();
        let seat = &self.registry().seats()[index];
        let job = seat.spill.take_by(&own.spill_reader);
        if job.is_some() {
            own.source.set(Some(index));
            return job;
        }
        seat.steal_spawned()
    }

    /// Where a job that is pushed next will lie in its deque.
    #[inline]
    pub(crate) fn mark(&self) -> usize {
        self.own().bottom.get()
    }

    /// The newest job of its deque, if it was pushed since `mark`.
    pub(crate) fn pop_since(&self, mark: usize) -> Option<QueuedJob> {
        if self.own().bottom.get() > mark {
            self.pop()
        } else {
            None
        }
    }

    /// Whether its own queues hold anything that was spawned.
    pub(crate) fn has_jobs(&self) -> bool {
        self.seat().has_spawned()
    }

    /// The newest job of its deque that the current job pushed.
    pub(crate) fn pop_own(&self) -> Option<QueuedJob> {
        // SAFETY: null or a live frame of this thread's stack.
        let base = unsafe { self.own().inside.get().as_ref() }.map_or(0, |inside| inside.base);
        self.pop_since(base)
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.own().index)
            .finish_non_exhaustive()
    }
}
