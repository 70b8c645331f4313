//! What the workers of one pool share: their seats, the injector, the sleepers, the phase.
//!
//! # States
//! The phase only ever rises. `OPEN`: work is accepted. `DRAINING`: new work is refused, what
//! was accepted is run, futures that live are polled on. `STOPPED`: workers leave; what is still
//! queued is dropped.
//!
//! # Shutdown
//! 1. `close` sets `DRAINING` and wakes everybody.
//! 2. The worker that finds every worker out of work, all queues empty and no future alive
//!    closes the injector, looks once more, and sets `STOPPED`. The injector's close decides a
//!    race with a spawn: it was accepted and runs, or it comes back.
//! 3. Each worker that sees `STOPPED` drops what its deque holds, and leaves; `gone` counts.
//!
//! A deadline that has passed, and `Now`, set `STOPPED` at once.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use exec_core::{
    Reason, ShutdownReport, Stats, forks,
    sync::{
        Condvar, Mutex,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::TaskRef,
    unwind::{self, Payload},
};
use flight_recorder::Recording;

use crate::{
    futures::Alive,
    job::QueuedJob,
    policy::WaitPolicy,
    queue::{
        injector::{Injector, Reader},
        spill,
    },
    seat::Seat,
    sleep::Sleep,
    stats::WorkerStats,
    worker::Worker,
};

const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const STOPPED: u8 = 2;

/// A job that was not taken, and why.
pub(crate) type Refused = (QueuedJob, Reason);
/// What is called with the payload of a panic that nobody joins.
pub(crate) type PanicHandler = dyn Fn(Payload) + Send + Sync;
/// Chooses a CPU for each worker.
pub(crate) type ChooseCpu = dyn Fn(usize) -> Option<usize> + Send + Sync;
/// What is called when a worker starts or ends, with its index.
pub(crate) type IndexHandler = dyn Fn(usize) + Send + Sync;

/// What was chosen when the pool was built.
pub(crate) struct Config {
    pub(crate) threads: usize,
    pub(crate) seats: usize,
    pub(crate) policy: WaitPolicy,
    pub(crate) queue_bound: Option<usize>,
    pub(crate) affinity: Option<Box<ChooseCpu>>,
    pub(crate) panic_handler: Option<Box<PanicHandler>>,
    pub(crate) start_handler: Option<Box<IndexHandler>>,
    pub(crate) exit_handler: Option<Box<IndexHandler>>,
}

/// The shared part of a pool.
pub(crate) struct Registry {
    seats: Box<[Seat]>,
    /// Seats `0..threads` are to be taken; a worker beyond leaves.
    threads: AtomicUsize,
    pub(crate) injector: Injector<QueuedJob>,
    pub(crate) sleep: Sleep,
    pub(crate) config: Config,
    phase: CachePadded<AtomicU8>,
    /// It was stopped over jobs that may still run: nobody waits for the threads any more.
    abandoned: AtomicBool,
    recording: AtomicBool,
    pub(crate) futures: Alive,
    /// Jobs in the injector, counted only with a bound.
    queued: AtomicUsize,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    pub(crate) created: AtomicU64,
    /// Jobs that went to one worker alone.
    mailed: AtomicU64,
    /// The forks before the pool was built: in a child of a fork the workers are missing.
    forks: usize,
    /// Threads that have not left yet.
    present: Mutex<usize>,
    gone: Condvar,
}

impl Registry {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            seats: (0..config.seats)
                .map(|_| Seat::new(config.threads))
                .collect(),
            threads: AtomicUsize::new(config.threads),
            injector: Injector::new(),
            sleep: Sleep::new(config.seats),
            config,
            phase: CachePadded::new(AtomicU8::new(OPEN)),
            abandoned: AtomicBool::new(false),
            recording: AtomicBool::new(false),
            futures: Alive::default(),
            queued: AtomicUsize::new(0),
            cancelled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            created: AtomicU64::new(0),
            mailed: AtomicU64::new(0),
            forks: forks::watch(),
            present: Mutex::new(0),
            gone: Condvar::new(),
        }
    }

    /// All seats, taken or not.
    #[inline]
    pub(crate) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// How many workers there are to be.
    #[inline]
    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Relaxed)
    }

    /// Sets how many workers there are to be; those beyond leave when they have no job.
    pub(crate) fn set_threads(&self, threads: usize) {
        // ORDERING: a sleeper beyond looks at this after its fence, as at a queue.
        self.threads.store(threads, Release);
        for seat in &self.seats {
            seat.split.resize(threads);
        }
        crate::fence::full();
        self.sleep.wake_all();
    }

    /// Whether new work is refused.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: a hint that comes early; the injector's close decides.
        self.phase.load(Relaxed) != OPEN
    }

    /// Whether this process is a child of a fork that left the workers behind.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        forks::count() != self.forks
    }

    /// Whether workers have to leave without further work.
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.phase.load(Acquire) == STOPPED
    }

    /// Whether it was stopped over jobs that may still run.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Acquire)
    }

    /// Takes the job that `make` makes: to the current worker's deque, or else to the injector.
    ///
    /// The job is made where it goes: a value that is written word by word and then moved in
    /// larger pieces costs more than a queue does.
    ///
    /// # Errors
    /// The job with the reason.
    #[inline(always)]
    pub(crate) fn spawn(&self, make: impl FnOnce() -> QueuedJob) -> Result<(), Refused> {
        if self.is_closed() {
            return Err((make(), Reason::ShutDown));
        }
        self.enqueue(make)
    }

    /// As [`spawn`](Self::spawn), while draining too: for what belongs to accepted work.
    #[inline(always)]
    pub(crate) fn enqueue(&self, make: impl FnOnce() -> QueuedJob) -> Result<(), Refused> {
        match Worker::current_of(self) {
            Some(worker) => worker.push(make),
            None => {
                self.accept(make)?;
                self.sleep.posted_outside(|| self.injector.has_ready());
                Ok(())
            }
        }
    }

    /// Takes a job into the injector.
    #[inline]
    pub(crate) fn inject(&self, make: impl FnOnce() -> QueuedJob) -> Result<(), Refused> {
        self.accept(make)?;
        self.sleep.posted();
        Ok(())
    }

    /// Takes a job into the injector, and tells nobody.
    #[inline(always)]
    fn accept(&self, make: impl FnOnce() -> QueuedJob) -> Result<(), Refused> {
        if self.is_forked() {
            return Err((make(), Reason::Forked));
        }
        if let Some(bound) = self.config.queue_bound
            && self.queued.fetch_add(1, AcqRel) >= bound
        {
            self.queued.fetch_sub(1, AcqRel);
            return Err((make(), Reason::Full));
        }
        if let Err(make) = self.injector.push(make) {
            return Err((make(), Reason::ShutDown));
        }
        Ok(())
    }

    /// Takes the oldest job from the injector.
    #[inline]
    pub(crate) fn take_injected(&self) -> Option<QueuedJob> {
        let job = self.injector.take()?;
        self.count_unqueued();
        Some(job)
    }

    /// As [`take_injected`](Self::take_injected), by a worker.
    #[inline]
    pub(crate) fn take_injected_by(&self, reader: &Reader<QueuedJob>) -> Option<QueuedJob> {
        let job = self.injector.take_by(reader)?;
        self.count_unqueued();
        Some(job)
    }

    #[inline]
    fn count_unqueued(&self) {
        if self.config.queue_bound.is_some() {
            self.queued.fetch_sub(1, AcqRel);
        }
    }

    /// Gives worker `who` a job that only it may run; drops the job when that worker has left.
    pub(crate) fn mail(&self, who: usize, job: QueuedJob) {
        self.mailed.fetch_add(1, Relaxed);
        if let Err(job) = self.seats[who].push_mail(job) {
            self.count_cancelled();
            // Dropping it tells whoever waits for it.
            return drop(job);
        }
        // ORDERING: pairs with the fences of `sleep` and `block`: the look sees the mail, or
        // this sees the worker on the list or blocked.
        crate::fence::full();
        self.sleep.wake(who);
    }

    /// Runs the oldest job of `spawn_fifo` of worker `who`: what its token does.
    pub(crate) fn run_fifo(&self, who: usize) {
        let job = self.seats[who].pop_fifo();
        if let Some(Err(payload)) = job.map(QueuedJob::run) {
            self.unseen_panic(payload);
        }
    }

    /// Whether worker `me` would find something to do.
    pub(crate) fn has_work(&self, me: usize) -> bool {
        self.has_shared_work()
            || self.seats[me].has_mail()
            || self.must_leave(me)
            || self.is_drain_over()
    }

    /// Whether there is something to do that any worker could take.
    pub(crate) fn has_shared_work(&self) -> bool {
        self.injector.has_ready()
            || self
                .seats
                .iter()
                .any(|seat| seat.split.exposed() != 0 || seat.has_spawned())
    }

    /// Whether a forked half lies exposed.
    pub(crate) fn has_forks(&self) -> bool {
        self.seats.iter().any(|seat| seat.split.exposed() != 0)
    }

    /// Whether worker `me` has to leave: the pool has stopped, or shrunk.
    pub(crate) fn must_leave(&self, me: usize) -> bool {
        self.is_stopped() || me >= self.threads()
    }

    /// A panic that nobody joins.
    pub(crate) fn unseen_panic(&self, payload: Payload) {
        self.panicked.fetch_add(1, Relaxed);
        match &self.config.panic_handler {
            Some(handler) => {
                if let Err(again) = unwind::catch(|| handler(payload)) {
                    unwind::discard(again);
                }
            }
            // The panic hook has printed it already.
            None => unwind::discard(payload),
        }
    }

    /// Queued jobs that were dropped unrun.
    pub(crate) fn cancelled(&self) -> u64 {
        self.cancelled.load(Relaxed)
    }

    /// A queued job was dropped unrun.
    pub(crate) fn count_cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    /// A thread is about to be created.
    pub(crate) fn expect_thread(&self) {
        *self.present.lock() += 1;
    }

    /// A thread has left, or could not be created.
    pub(crate) fn thread_left(&self) {
        *self.present.lock() -= 1;
        self.gone.notify_all();
    }

    /// Refuses new work.
    pub(crate) fn close(&self) {
        // ORDERING: AcqRel as in `stop`; workers see it after their fence.
        let _ = self.phase.compare_exchange(OPEN, DRAINING, AcqRel, Acquire);
        crate::fence::full();
        self.sleep.wake_all();
    }

    /// A worker without work: while draining, ends the pool when nothing is left to do.
    pub(crate) fn end_if_drained(&self) {
        if !self.is_drain_over() {
            return;
        }
        self.injector.close();
        // What was claimed before the close is accepted: it is run first.
        if self.injector.is_drained() {
            self.set_stopped();
        }
    }

    /// Whether a drain has nothing to wait for any more: every thread is out of work, and
    /// nothing is queued or alive that could make work.
    fn is_drain_over(&self) -> bool {
        self.phase.load(Acquire) == DRAINING
            && self.sleep.idle().hungry() >= *self.present.lock()
            && self.futures.is_empty()
            && !self.has_mail()
            && !self.has_shared_work()
    }

    fn has_mail(&self) -> bool {
        self.seats.iter().any(Seat::has_mail)
    }

    fn set_stopped(&self) {
        // ORDERING: Release publishes the closed injector; AcqRel keeps one order of phases.
        self.phase.swap(STOPPED, AcqRel);
        crate::fence::full();
        self.sleep.wake_all();
    }

    /// Ends the pool now: what is queued is dropped, futures that wait are cancelled. Returns
    /// how many that were, those of earlier calls included.
    pub(crate) fn stop(&self) -> u64 {
        self.abandoned.store(true, Release);
        self.injector.close();
        self.set_stopped();
        while let Some(job) = self.take_injected() {
            drop(job);
            self.count_cancelled();
        }
        let reader = spill::Reader::new();
        for seat in &self.seats {
            while let Some(job) = seat.take_spawned(&reader) {
                drop(job);
                self.count_cancelled();
            }
            seat.spill.settle(&reader);
        }
        let waiting = self.futures.take_all();
        self.cancelled.load(Relaxed) + waiting.iter().filter(|task| task.cancel()).count() as u64
    }

    /// Waits until every thread has left, `until` at the latest; `false` when the time was up.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait_gone(&self, until: Option<Instant>) -> bool {
        if self.is_forked() {
            return false;
        }
        let mut present = self.present.lock();
        while *present != 0 {
            let Some(until) = until else {
                present = self.gone.wait(present);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return false;
            }
            present = self.gone.wait_timeout(present, left).0;
        }
        true
    }

    /// Seats in which a queued job runs.
    pub(crate) fn running(&self) -> u64 {
        self.seats
            .iter()
            .filter(|seat| seat.running.load(Acquire))
            .count() as u64
    }

    /// Keeps a future, to be cancelled by a stop.
    pub(crate) fn adopt(&self, task: TaskRef) -> usize {
        self.futures.adopt(task)
    }

    /// A future has ended.
    pub(crate) fn disown(&self, key: usize) {
        if self.futures.disown(key) && self.is_closed() {
            // It may have been the last thing that a drain waits for.
            crate::fence::full();
            self.sleep.wake_one();
        }
    }

    /// What the pool has done.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.scheduled = self.injector.pushed() + self.mailed.load(Relaxed);
        for seat in &self.seats {
            seat.counters.add_to(&mut stats);
        }
        stats.cancelled = self.cancelled.load(Relaxed);
        stats.panicked = self.panicked.load(Relaxed);
        stats.threads = self.created.load(Relaxed);
        stats
    }

    /// What each worker has done.
    pub(crate) fn worker_stats(&self) -> Vec<WorkerStats> {
        let seats = self.seats.iter().take(self.threads());
        seats.map(|seat| seat.counters.snapshot()).collect()
    }

    /// Whether workers note what they do.
    #[inline]
    pub(crate) fn is_recording(&self) -> bool {
        // ORDERING: a switch; a worker that sees it late notes less.
        self.recording.load(Relaxed)
    }

    /// Lets workers note what they do.
    pub(crate) fn start_recording(&self, capacity: usize) {
        for seat in &self.seats {
            seat.ring.begin(capacity);
        }
        self.recording.store(true, Relaxed);
    }

    /// Ends the recording and returns it.
    pub(crate) fn stop_recording(&self) -> Recording {
        self.recording.store(false, Relaxed);
        let seats = self.seats.iter().take(self.threads());
        Recording::of(seats.map(|seat| &seat.ring))
    }

    /// A report for a shutdown that cancelled and leaked this much.
    pub(crate) fn report(&self, cancelled: u64, leaked: u64) -> ShutdownReport {
        ShutdownReport::new(self.stats().ran, cancelled, leaked)
    }
}
