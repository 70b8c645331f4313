//! A future is a thread: it lives as long as the future and sleeps between the polls.
//!
//! # States of a [`Driver`]
//! `BUSY` (polling, or about to look), `WAITING` (parked), `POSTED` (the job of the next poll
//! lies in the driver), `ENDED` (the future is complete or gone; final).
//!
//! # Protocol
//! * Spawning: the executor's `adopt` makes the driver and lists it under the id of the future's
//!   jobs; `schedule` finds it there and gives it to the new thread.
//! * Waking: a future has one job at most. `post` puts it into the driver, says `POSTED`, and
//!   unparks the thread if it was waiting.
//! * Ending: `disown` takes the driver off the list, says `ENDED`, and unparks.
//!
//! # Why nothing is lost
//! The state is one word changed by swaps and exchanges. The thread goes from `BUSY` to `WAITING`
//! by an exchange that fails when something was posted, so whoever posts later sees `WAITING` and
//! unparks; the ground keeps the token if the thread has not parked yet.
//! `POSTED` and `ENDED` exclude each other: a future with a job is not over.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{ptr, task::Waker};

use exec_core::{
    Ground, Job, JobId, JobVTable,
    sync::{
        Arc,
        atomic::{
            AtomicPtr, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::TaskRef,
};

use super::shared::Counts;
use crate::waiters::Lock;

/// The thread polls, or is about to look for the next poll.
const BUSY: usize = 0;
/// The thread parks, or is about to.
const WAITING: usize = 1;
/// A job lies in the driver.
const POSTED: usize = 2;
/// The future is over.
const ENDED: usize = 3;

/// Between a future's wakers and its thread.
pub(super) struct Driver {
    task: TaskRef,
    state: AtomicUsize,
    /// The parts of the posted job; the poster's before `POSTED`, the thread's after.
    data: AtomicPtr<()>,
    vtable: AtomicPtr<JobVTable>,
    /// A boxed waker of the thread; written once, before the first poll.
    thread: AtomicPtr<Waker>,
}

impl Driver {
    fn new(task: TaskRef) -> Self {
        Self {
            task,
            state: AtomicUsize::new(BUSY),
            data: AtomicPtr::new(ptr::null_mut()),
            vtable: AtomicPtr::new(ptr::null_mut()),
            thread: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Thread: says how it is unparked; once, before it polls.
    pub(super) fn attach(&self, waker: Waker) {
        let waker = Box::into_raw(Box::new(waker));
        // ORDERING: pairs with the Acquire of `unpark`.
        let former = self.thread.swap(waker, Release);
        debug_assert!(former.is_null(), "invariant: one thread attaches, once");
    }

    fn unpark(&self) {
        // ORDERING: pairs with the Release of `attach`.
        let waker = self.thread.load(Acquire);
        if !waker.is_null() {
            // SAFETY: written once, and freed by the drop of the driver only.
            unsafe { &*waker }.wake_by_ref();
        }
    }

    /// Leaves a poll for the thread.
    fn post(&self, job: Job) {
        let (data, vtable) = job.into_raw();
        // ORDERING: Relaxed: published by `POSTED`.
        self.data.store(data, Relaxed);
        self.vtable.store(ptr::from_ref(vtable).cast_mut(), Relaxed);
        // ORDERING: Release publishes the parts to `next`.
        let before = self.state.swap(POSTED, AcqRel);
        debug_assert!(
            before == BUSY || before == WAITING,
            "invariant: a live future has one job at most"
        );
        if before == WAITING {
            self.unpark();
        }
    }

    /// Thread: waits for the next poll; `None` when the future is over.
    ///
    /// # Blocking
    /// Until then.
    pub(super) fn next(&self, ground: &impl Ground, counts: &Counts) -> Option<Job> {
        // ORDERING: Acquire, here and below, pairs with the Release of `post`.
        let mut now = match self.state.compare_exchange(BUSY, WAITING, AcqRel, Acquire) {
            Ok(_) => WAITING,
            Err(seen) => seen,
        };
        while now == WAITING {
            Counts::add(&counts.parks);
            ground.park(None);
            now = self.state.load(Acquire);
        }
        if now == ENDED {
            return None;
        }
        // ORDERING: the parts were published by `POSTED`.
        let data = self.data.load(Relaxed);
        let vtable = self.vtable.load(Relaxed).cast_const();
        // The poster of the job after this one starts from here: its wake comes from a poll that
        // this thread has still to do.
        self.state.store(BUSY, Release);
        // SAFETY: `post` stored a reference to a static vtable.
        let vtable = unsafe { &*vtable };
        // SAFETY: the parts of one job, which `post` gave up and this thread alone takes.
        Some(unsafe { Job::from_raw(data, vtable) })
    }

    /// The future is complete or gone.
    fn end(&self) {
        // ORDERING: pairs with the Acquire of `next`.
        if self.state.swap(ENDED, AcqRel) == WAITING {
            self.unpark();
        }
    }

    /// Whether the future is complete or gone.
    pub(super) fn is_ended(&self) -> bool {
        // ORDERING: nothing is read on the strength of it.
        self.state.load(Relaxed) == ENDED
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // ORDERING: the last reference orders what came before.
        let waker = self.thread.load(Relaxed);
        if !waker.is_null() {
            // SAFETY: it came from a box, and nobody else has the driver any more.
            drop(unsafe { Box::from_raw(waker) });
        }
    }
}

/// The drivers of all futures that live, by the id of their jobs.
pub(super) struct Drivers {
    /// How many there are: lets a spawn of a closure pass without the lock.
    count: AtomicUsize,
    list: Lock<BTreeMap<usize, Arc<Driver>>>,
}

impl Drivers {
    pub(super) fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            list: Lock::new(BTreeMap::new()),
        }
    }

    /// Makes the driver of a future; returns its key.
    pub(super) fn adopt(&self, ground: &impl Ground, task: TaskRef) -> usize {
        let key = task.id().to_bits();
        let driver = Arc::new(Driver::new(task));
        // ORDERING: read by the same thread in `find`, or by one that got a job of the future.
        self.count.fetch_add(1, Relaxed);
        self.list.with(ground, |list| list.insert(key, driver));
        key
    }

    /// Ends the driver of a future.
    pub(super) fn disown(&self, ground: &impl Ground, key: usize) {
        let driver = self.list.with(ground, |list| list.remove(&key));
        self.count.fetch_sub(1, Relaxed);
        // Outside of the lock: dropping the driver can drop the future's cell.
        if let Some(driver) = driver {
            driver.end();
        }
    }

    /// The driver whose future `id` is a job of.
    pub(super) fn find(&self, ground: &impl Ground, id: JobId) -> Option<Arc<Driver>> {
        // ORDERING: whoever holds a job of a future comes after its `adopt`.
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        self.list
            .with(ground, |list| list.get(&id.to_bits()).cloned())
    }

    /// Passes the job of a woken future to its thread.
    ///
    /// # Errors
    /// The job, when its future is not on the list.
    pub(super) fn post(&self, ground: &impl Ground, job: Job) -> Result<(), Job> {
        match self.find(ground, job.id()) {
            Some(driver) => {
                driver.post(job);
                Ok(())
            }
            None => Err(job),
        }
    }

    /// Cancels every future; returns how many were waiting, and so will end at once.
    pub(super) fn cancel_all(&self, ground: &impl Ground) -> usize {
        let all: Vec<_> = self
            .list
            .with(ground, |list| list.values().cloned().collect());
        let mut waiting = 0;
        for driver in all {
            // ORDERING: a figure for the report.
            let parked = driver.state.load(Relaxed) == WAITING;
            if driver.task.cancel() && parked {
                waiting += 1;
            }
        }
        waiting
    }
}
