//! A worker's place: what others may reach of it, and a room of its own.
//!
//! # States
//! Free, with the owner's end of its deque in it, or taken by the one thread that sits there. Its
//! mailbox is open from when a thread is about to sit down until that thread leaves.
//!
//! # Protocol
//! Everybody may take from its queues as their own heads say, and put into its mailbox, whose flag is
//! written under the mailbox's lock and read without. Only the thread that sits there adds to the deque
//! and to the spill.
//!
//! # Shutdown
//! The thread that leaves closes the mailbox and gets what is in it; mail that comes later goes back.

use std::collections::VecDeque;

use crossbeam_utils::CachePadded;
use exec_core::sync::{
    Mutex,
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
};
use flight_recorder::Ring;

use crate::{
    fork::Fork,
    job::QueuedJob,
    queue::{
        deque::{self, Steal, Stealer},
        spill::{self, Spill},
        split::Split,
    },
    stats::Counters,
    worker::Local,
};

/// See the module head.
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
    /// An empty one, of so many.
    pub(crate) fn new(workers: usize) -> Self {
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

    /// Adds a job for this worker alone.
    ///
    /// # Errors
    /// The job, when the worker has left.
    pub(crate) fn push_mail(&self, job: QueuedJob) -> Result<(), QueuedJob> {
        let mut mail = self.mail.lock();
        if mail.gone {
            return Err(job);
        }
        mail.jobs.push_back(job);
        self.has_mail.store(true, Release);
        Ok(())
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

    /// Takes the oldest job of `spawn_fifo`.
    pub(crate) fn pop_fifo(&self) -> Option<QueuedJob> {
        self.fifo.lock().pop_front()
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
