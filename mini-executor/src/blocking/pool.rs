//! A bounded pool of threads for closures that block.
//!
//! # States
//! `pending` counts the jobs that are queued or run. It never exceeds the limit: a job beyond it is
//! refused as `Full`, and [`Unblock`](super::unblock::Unblock) waits for room. Threads are
//! started one by one while all that exist are busy, up to the most, and live until the runtime
//! ends.
//!
//! # Protocol
//! A job is queued and posted as told in `idle.rs`; when no thread sleeps and none searches, and
//! there may be one more, it is started with the job as its first.
//!
//! # Why nothing is lost
//! The job of a thread that could not be started comes back: it is queued if there are other
//! threads, or else refused with the ground's reason. If those others turn out not to be given
//! either, what was queued for them is cancelled.
//!
//! # Shutdown
//! `Drain` waits until no job is pending. Closing drops what is queued; a job that runs is left
//! behind, and its thread ends after it.

use alloc::{format, sync::Arc, vec::Vec};
use core::task::Waker;

use exec_core::{
    Caps, Executor, Ground, Job, Meta, Nanos, Reason, Rejected, Shutdown, ShutdownReport, Stats,
    ThreadSpec, Threads, Ticket,
    sync::{
        TryLock,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
            fence,
        },
    },
    unwind,
    wait::Waiter,
};

use crate::{
    context::{self, Context, Role},
    idle::{Awake, Idle},
    latch::Latch,
    padded::Padded,
    phase::{CLOSED, OPEN},
    queue::{inject::Injector, stack::Stack},
    shared::{Shared, thread_hint},
    wait::TaskWaiter,
    waiting::with,
};

/// See the module head.
pub(crate) struct Pool<T: Threads> {
    most: usize,
    /// Jobs that may be pending.
    limit: usize,
    pending: Padded<AtomicUsize>,
    /// Seats that were ever given out.
    started: AtomicUsize,
    /// Seats of threads that the ground did not give.
    free: TryLock<Vec<usize>>,
    /// Threads that live; when it comes to 0 in a closed pool, `left` is set.
    present: AtomicUsize,
    /// Cleared by the first close.
    open: AtomicBool,
    idle: Idle,
    queue: Injector,
    /// Who waits for room.
    waiting: Stack<Waker>,
    left: Latch,
    threads: Stack<T::Thread>,
}

impl<T: Threads> Pool<T> {
    /// A pool that may have `most` threads, and `queued` jobs waiting for one.
    pub(crate) fn new(most: usize, queued: usize) -> Self {
        Self {
            most,
            limit: most.saturating_add(queued),
            pending: Padded(AtomicUsize::new(0)),
            started: AtomicUsize::new(0),
            free: TryLock::new(Vec::new()),
            // One for the pool itself, until it closes.
            present: AtomicUsize::new(1),
            open: AtomicBool::new(true),
            idle: Idle::new(most),
            queue: Injector::new(1),
            waiting: Stack::new(),
            left: Latch::new(),
            threads: Stack::new(),
        }
    }

    /// Jobs that are queued or run.
    pub(crate) fn pending(&self) -> usize {
        // ORDERING: Acquire pairs with `finished`.
        self.pending.load(Acquire)
    }

    /// Calls `waker` when a job has finished.
    pub(crate) fn when_room(&self, waker: &Waker) {
        if let Err(waker) = self.waiting.push(waker.clone()) {
            waker.wake();
        }
    }

    fn reserve(&self) -> bool {
        self.pending
            .fetch_update(AcqRel, Relaxed, |n| (n < self.limit).then_some(n + 1))
            .is_ok()
    }

    fn finished(&self) {
        self.pending.fetch_sub(1, AcqRel);
        for waker in self.waiting.take() {
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
    }

    /// Refuses what comes from now on and hands out what is queued.
    pub(crate) fn close(&self) -> Vec<Job> {
        let jobs = self.queue.close();
        self.pending.fetch_sub(jobs.len(), AcqRel);
        if self.open.swap(false, AcqRel) {
            self.leave();
        }
        for waker in self.waiting.close() {
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
        self.idle.wake_all();
        jobs
    }

    /// What a closed pool still has queued; see [`Lane::settle`](crate::queue::lane::Lane::settle).
    fn settle(&self) -> Vec<Job> {
        let jobs = self.queue.settle();
        self.pending.fetch_sub(jobs.len(), AcqRel);
        jobs
    }

    /// Threads that live, or are being started.
    fn threads(&self) -> usize {
        self.present.load(Acquire).saturating_sub(1)
    }

    fn leave(&self) {
        if self.present.fetch_sub(1, AcqRel) == 1 {
            self.left.set();
        }
    }

    /// Waits until the pool is closed and its threads run nothing, `until` at the latest.
    pub(crate) fn wait_until_left(&self, ground: &T, until: Option<Nanos>) -> bool {
        self.left.wait(ground, until)
    }

    /// Joins the threads of a closed pool, or lets go of them if a job of theirs still runs.
    pub(crate) fn join_threads(&self, ground: &T) {
        if self.pending() == 0 {
            // None of them runs anything: they are on their way out.
            self.left.wait(ground, None);
        }
        for thread in self.threads.close() {
            if self.left.is_set() && !ground.is_current(&thread) {
                let _ = ground.join(thread);
            }
        }
    }
}

impl<T: Threads> Shared<T> {
    /// After a job was queued for threads that were there, or after a thread could not be started:
    /// drops what is queued if there is no thread at all, so that its joiners hear of it.
    fn drop_orphans(&self) {
        // ORDERING: pairs with itself: of the one that queues and the thread that is not given,
        // the later one sees the other.
        fence(SeqCst);
        while self.blocking.threads() == 0
            && let Some(job) = self.blocking.queue.pop(0, 1, |_| ())
        {
            self.blocking.finished();
            self.cancel_jobs(alloc::vec![job]);
        }
    }
}

/// The pool as an executor of closures.
pub(crate) struct Blocking<T: Threads>(pub(crate) Arc<Shared<T>>);

impl<T: Threads> Blocking<T> {
    /// Starts one more thread for `job`. The job comes back when there cannot be one.
    fn start(&self, job: Job) -> Result<(), Rejected> {
        let shared = &self.0;
        let pool = &shared.blocking;
        let fresh = || {
            let next = |n| (n < pool.most).then_some(n + 1);
            pool.started.fetch_update(AcqRel, Relaxed, next).ok()
        };
        let Some(number) = with(&pool.free, &shared.ground, Vec::pop).or_else(fresh) else {
            return Err(Rejected::new(job, Reason::Full));
        };
        pool.present.fetch_add(1, AcqRel);
        let place = Arc::new(TryLock::new(Some(job)));
        let entry = {
            let (place, shared) = (place.clone(), shared.clone());
            Job::new(move || run(&shared, number, place.try_with(Option::take).flatten()))
        };
        let spec = ThreadSpec::new().name(format!("{}-blocking-{number}", shared.name));
        match shared.ground.create(&spec, entry) {
            Ok(thread) => {
                // A closed list: the runtime has ended, and the thread will end by itself.
                drop(pool.threads.push(thread));
                Ok(())
            }
            Err(refused) => {
                let job = place.try_with(Option::take).flatten();
                // Nobody has sat there, so another thread may.
                with(&pool.free, &shared.ground, |free| free.push(number));
                pool.leave();
                shared.drop_orphans();
                Err(Rejected::new(
                    job.expect("invariant: the thread that would have taken it does not exist"),
                    Reason::OutOfThreads(refused.reason),
                ))
            }
        }
    }
}

/// A blocking thread's life.
fn run<T: Threads>(shared: &Arc<Shared<T>>, seat: usize, first: Option<Job>) {
    let context = Context::new::<T>(
        Role::Blocking,
        Arc::as_ptr(shared).cast(),
        shared.name.clone(),
        None,
    );
    context::enter(shared.ground, &context, || work(shared, seat, first));
}

fn work<T: Threads>(shared: &Shared<T>, seat: usize, first: Option<Job>) {
    let pool = &shared.blocking;
    let execute = |job: Job| {
        if let Err(payload) = job.run() {
            shared.outside.panicked.add(1);
            shared.report_panic(payload);
        }
        shared.outside.ran.add(1);
        pool.finished();
        if shared.phase.get() != OPEN {
            // Whoever waits for the last job to finish looks again.
            shared.idle.post();
        }
    };
    // SAFETY: once for each number, before the thread sleeps.
    unsafe { pool.idle.register(seat, shared.ground.unparker()) };
    if let Some(job) = first {
        execute(job);
    }
    let mut searching = false;
    while shared.phase.get() != CLOSED {
        if let Some(job) = pool.queue.pop(0, 1, |_| ()) {
            if core::mem::take(&mut searching) && pool.idle.found() && !pool.queue.is_empty() {
                pool.idle.post();
            }
            execute(job);
            continue;
        }
        pool.idle.announce(seat, core::mem::take(&mut searching));
        if pool.queue.is_empty() && shared.phase.get() != CLOSED {
            shared.ground.park(None);
        }
        searching = pool.idle.awake(seat) == Awake::Claimed;
    }
    if searching {
        let _ = pool.idle.found();
    }
    pool.leave();
}

impl<T: Threads> Executor for Blocking<T> {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        let shared = &*self.0;
        let pool = &shared.blocking;
        if shared.phase.get() != OPEN {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        if shared.sim.is_some() {
            // One thread plays all.
            return shared.spawn(job).map(|()| Ticket::shared());
        }
        if !pool.reserve() {
            return Err(Rejected::new(job, Reason::Full));
        }
        let busy = pool.pending() > pool.threads();
        let job = if busy {
            match self.start(job) {
                Ok(()) => {
                    shared.outside.scheduled.add(1);
                    return Ok(Ticket::shared());
                }
                Err(Rejected {
                    job,
                    reason: Reason::OutOfThreads(why),
                }) if pool.threads() == 0 => {
                    pool.finished();
                    return Err(Rejected::new(job, Reason::OutOfThreads(why)));
                }
                Err(Rejected { job, .. }) => job,
            }
        } else {
            job
        };
        if let Err(job) = pool.queue.push(job, thread_hint()) {
            pool.finished();
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        shared.outside.scheduled.add(1);
        pool.idle.post();
        shared.drop_orphans();
        if shared.phase.get() == CLOSED {
            shared.cancel_jobs(pool.settle());
        }
        Ok(Ticket::shared())
    }

    fn waiter(&self) -> &'static dyn Waiter {
        TaskWaiter::<T>::shared()
    }

    fn ground(&self) -> &dyn Ground {
        &self.0.ground
    }

    fn caps(&self) -> Caps {
        Caps::new("mini-executor-blocking", 0).preemptive(true)
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.0.shutdown(how)
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.threads = self.0.blocking.started.load(Relaxed) as u64;
        stats
    }
}
