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

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

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
use flight_recorder::{Recording, Ring};

use crate::{
    fork::Fork,
    futures::Alive,
    job::QueuedJob,
    policy::WaitPolicy,
    queue::{
        deque::{self, Steal, Stealer},
        injector::{Injector, Reader},
        spill::{self, Spill},
        split::Split,
    },
    sleep::Sleep,
    stats::{Counters, WorkerStats},
    worker::{Local, Worker},
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

/// A worker's place: what others may reach of it, and a room of its own.
#[repr(C)]
pub(crate) struct Seat {
    /// The second halves of its joins; first, so that a join reaches it in one step.
    pub(crate) split: Split<Fork>,
    /// What only the thread that sits here touches.
    pub(crate) local: Local,
    /// The thieves' end of its spawned jobs.
    pub(crate) stealer: Stealer<QueuedJob>,
    /// What it spawned beyond its deque; the thread that sits here adds.
    pub(crate) spill: Spill<QueuedJob>,
    /// The owner's end, while no thread sits here.
    deque: Mutex<Option<deque::Worker<QueuedJob>>>,
    /// Jobs for this worker alone.
    mail: Mutex<Mail>,
    has_mail: AtomicBool,
    /// Jobs of `spawn_fifo`, oldest first; each has a token in a deque.
    fifo: Mutex<VecDeque<QueuedJob>>,
    /// What it did lately, once recording was started.
    pub(crate) ring: Ring,
    /// A queued job is being run here.
    pub(crate) running: AtomicBool,
    pub(crate) counters: CachePadded<Counters>,
}

/// A worker's mailbox.
#[derive(Default)]
struct Mail {
    jobs: VecDeque<QueuedJob>,
    /// The worker has left: nobody would take it out.
    gone: bool,
}

impl Seat {
    fn new(workers: usize) -> Self {
        let deque = deque::Worker::new_lifo();
        Self {
            split: Split::new(workers),
            local: Local::empty(),
            stealer: deque.stealer(),
            spill: Spill::new(),
            deque: Mutex::new(Some(deque)),
            mail: Mutex::new(Mail::default()),
            has_mail: AtomicBool::new(false),
            fifo: Mutex::new(VecDeque::new()),
            ring: Ring::new(),
            running: AtomicBool::new(false),
            counters: CachePadded::new(Counters::default()),
        }
    }

    /// The owner's end of the deque, for the thread that sits down.
    pub(crate) fn sit(&self) -> deque::Worker<QueuedJob> {
        self.deque
            .lock()
            .take()
            .expect("invariant: one thread a seat")
    }

    /// The thread leaves.
    pub(crate) fn leave(&self, deque: deque::Worker<QueuedJob>) {
        *self.deque.lock() = Some(deque);
    }

    /// Whether a job for this worker alone is here.
    pub(crate) fn has_mail(&self) -> bool {
        self.has_mail.load(Acquire)
    }

    /// The oldest job for this worker alone.
    pub(crate) fn take_mail(&self) -> Option<QueuedJob> {
        if !self.has_mail() {
            return None;
        }
        let mut mail = self.mail.lock();
        let job = mail.jobs.pop_front();
        self.has_mail.store(!mail.jobs.is_empty(), Release);
        job
    }

    /// Takes mail again, for the thread that is about to sit down.
    pub(crate) fn open_mail(&self) {
        self.mail.lock().gone = false;
    }

    /// Takes no more mail; what is here comes back.
    pub(crate) fn close_mail(&self) -> VecDeque<QueuedJob> {
        let mut mail = self.mail.lock();
        mail.gone = true;
        self.has_mail.store(false, Release);
        std::mem::take(&mut mail.jobs)
    }

    /// Adds a job of `spawn_fifo`.
    pub(crate) fn push_fifo(&self, job: QueuedJob) {
        self.fifo.lock().push_back(job);
    }

    /// Whether a job that was spawned here waits.
    pub(crate) fn has_spawned(&self) -> bool {
        !self.stealer.is_empty() || !self.spill.is_empty()
    }

    /// Takes one of its spawned jobs; of those beyond the deque first, which come cheaper.
    #[inline]
    pub(crate) fn take_spawned(&self, reader: &spill::Reader<QueuedJob>) -> Option<QueuedJob> {
        self.spill.take_by(reader).or_else(|| self.steal_spawned())
    }

    /// Takes one of the jobs in its deque.
    pub(crate) fn steal_spawned(&self) -> Option<QueuedJob> {
        if self.stealer.is_empty() {
            return None;
        }
        loop {
            match self.stealer.steal() {
                Steal::Success(job) => return Some(job),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }
}

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
        let seat = &self.seats[who];
        self.mailed.fetch_add(1, Relaxed);
        {
            let mut mail = seat.mail.lock();
            if mail.gone {
                drop(mail);
                self.count_cancelled();
                // Dropping it tells whoever waits for it.
                return drop(job);
            }
            mail.jobs.push_back(job);
            seat.has_mail.store(true, Release);
        }
        // ORDERING: pairs with the fences of `sleep` and `block`: the look sees the mail, or
        // this sees the worker on the list or blocked.
        crate::fence::full();
        self.sleep.wake(who);
    }

    /// Runs the oldest job of `spawn_fifo` of worker `who`: what its token does.
    pub(crate) fn run_fifo(&self, who: usize) {
        let job = self.seats[who].fifo.lock().pop_front();
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
