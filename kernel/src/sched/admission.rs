//! The long-term scheduler: which new processes may compete for the CPUs.
//!
//! # Who owns what
//! `JOBS` holds the first threads of the processes that wait, under its lock, which is gone before any
//! of them is made ready. A waiting thread is in the state `New`; what kills it meanwhile takes effect
//! once it is admitted.
//!
//! # Protocol
//! See [`kcore::sched::JobQueue`]. The next job is looked for when a process ends, and once a quantum
//! while some wait, because memory may have been given back, or all others may wait for one of them.

use core::sync::atomic::{AtomicBool, Ordering};

use kcore::{
    SpinLock, Tid,
    sched::{Admission, JobQueue},
};

use crate::{
    mm::frames,
    proc::thread::Thread,
    sched::{idle, make_ready},
};

/// A new process needs at least this many free pages.
const LEAST_FREE_PAGES: usize = 16;

static JOBS: SpinLock<JobQueue<&'static Thread>> =
    SpinLock::new(JobQueue::new(Tid::MAX_SLOTS, LEAST_FREE_PAGES));
/// Whether a job waits, for a look without the lock.
static WAITING: AtomicBool = AtomicBool::new(false);

/// Chooses how many processes may be in at once, at least 1; before there are any.
pub(crate) fn set_degree(degree: usize) {
    JOBS.lock().set_degree(degree.max(1));
}

/// Starts the first thread of a new process, now or when there is room.
pub(crate) fn submit(first: &'static Thread) {
    let admission = JOBS.lock().submit(first, frames::free_count());
    match admission {
        Admission::Admitted(first) => make_ready(first),
        // ORDERING: Relaxed: a hint; the look once a quantum sees it sooner or later.
        Admission::Waits => WAITING.store(true, Ordering::Relaxed),
    }
}

/// A process that was in has ended.
pub(crate) fn process_ended() {
    JOBS.lock().ended();
    admit_waiting();
}

/// Admits jobs that wait, if there is room.
#[inline]
pub(super) fn admit_waiting() {
    // ORDERING: Relaxed: as in `submit`.
    if !WAITING.load(Ordering::Relaxed) {
        return;
    }
    loop {
        let next = {
            let mut jobs = JOBS.lock();
            let next = jobs.next(frames::free_count(), idle::is_still());
            // ORDERING: Relaxed: written under the lock.
            WAITING.store(jobs.counts().1 > 0, Ordering::Relaxed);
            next
        };
        match next {
            Some(first) => make_ready(first),
            None => return,
        }
    }
}
