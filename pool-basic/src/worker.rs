//! A worker: takes jobs until the pool ends, and knows what it is running.
//!
//! # Protocol
//! A worker that finds the queue empty searches for a moment (bounded, one worker at a time, and
//! only where another CPU could bring a job meanwhile), then sleeps. [`sleep`](crate::sleep) has
//! the rules.

use std::{cell::Cell, cell::RefCell, rc::Rc};

use exec_core::{
    Ground, JobId, SmallJob, StdGround,
    sync::{Arc, seeded, spin_loop, thread},
};

use crate::{
    shared::Shared,
    sleep::{CANCELLED, CLOSED, Look, Slept},
};

/// Looks at an empty queue before a worker sleeps, with a pause before each that is twice the one
/// before: rarely enough not to stand in the way of who fills it, and in all some 50 µs, about as
/// long as a wake takes.
#[cfg(not(loom))]
const LOOKS: u32 = 6;
#[cfg(loom)]
const LOOKS: u32 = 0;

/// Spins in the first of those pauses.
const SPINS: u32 = 32;

/// The worker that this thread is.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    /// The jobs on this thread's stack, the innermost last: more than one when it helps.
    running: RefCell<Vec<JobId>>,
    /// Whether the sleep protocol counts it as searching.
    searching: Cell<bool>,
    looks: u32,
}

thread::thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro takes no const block")]
    static CURRENT: RefCell<Option<Rc<Worker>>> = RefCell::new(None);
}

/// The worker that this thread is, of whichever pool; none in a thread that is about to end.
pub(crate) fn current() -> Option<Rc<Worker>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}

/// Whether this thread is a worker of that pool.
pub(crate) fn is_worker_of(shared: &Shared) -> bool {
    current().is_some_and(|worker| worker.is_of(shared))
}

/// What the thread of a worker does.
pub(crate) fn main(shared: Arc<Shared>, index: usize) {
    let worker = Rc::new(Worker {
        shared,
        index,
        running: RefCell::new(Vec::new()),
        searching: Cell::new(false),
        looks: if StdGround.parallelism() > 1 {
            LOOKS
        } else {
            0
        },
    });
    CURRENT.with(|current| current.replace(Some(worker.clone())));
    let mut slot = None;
    while worker.next(&mut slot) {
        worker.run(&mut slot);
    }
    CURRENT.with(|current| current.replace(None));
}

impl Worker {
    /// Whether it is a worker of that pool.
    pub(crate) fn is_of(&self, shared: &Shared) -> bool {
        core::ptr::eq(&*self.shared, shared)
    }

    /// Whether that job is on this thread's stack.
    pub(crate) fn is_running(&self, job: JobId) -> bool {
        self.running.borrow().contains(&job)
    }

    /// Runs the job in the slot, which is empty then.
    #[inline]
    pub(crate) fn run(&self, slot: &mut Option<SmallJob>) {
        let counters = self.shared.totals.worker(self.index);
        counters.take();
        let id = slot.as_ref().map_or(JobId::NONE, SmallJob::id);
        // Nobody can wait for a job without an id, so nobody will ask for it.
        let joinable = id != JobId::NONE;
        if joinable {
            self.running.borrow_mut().push(id);
        }
        if let Err(payload) = SmallJob::run_in(slot) {
            counters.panic();
            self.shared.panicked(payload);
        }
        if joinable {
            self.running.borrow_mut().pop();
        }
        counters.run();
    }

    /// Takes a job if there is one.
    #[inline]
    pub(crate) fn try_next(&self, slot: &mut Option<SmallJob>) -> bool {
        let found = self.shared.pop(slot);
        if found {
            self.stop_searching();
        }
        found
    }

    #[inline]
    pub(crate) fn stop_searching(&self) {
        if self.searching.replace(false) {
            self.shared.sleep.found(|| self.shared.is_empty());
        }
    }

    /// Waits for the next job; `false` when the worker has ended.
    #[inline]
    fn next(&self, slot: &mut Option<SmallJob>) -> bool {
        let cancelled = self.shared.sleep.phase() & CANCELLED != 0;
        (!cancelled && self.try_next(slot)) || self.wait_next(slot)
    }

    /// As `next`, after a first look.
    fn wait_next(&self, slot: &mut Option<SmallJob>) -> bool {
        loop {
            if self.shared.sleep.phase() & CANCELLED != 0 {
                self.shared.sleep.end(self.searching.replace(false));
                return false;
            }
            if self.try_next(slot) || self.search(slot) {
                return true;
            }
            match self.sleep(false, slot, || false) {
                Slept::Found if slot.is_some() => return true,
                Slept::Found | Slept::Woken { .. } => {}
                Slept::Ended => return false,
            }
        }
    }

    /// Keeps looking for a moment.
    fn search(&self, slot: &mut Option<SmallJob>) -> bool {
        if self.looks == 0 || !(self.searching.get() || self.shared.sleep.try_search()) {
            return false;
        }
        self.searching.set(true);
        for look in 0..self.looks {
            for _ in 0..SPINS << look {
                spin_loop();
            }
            if self.try_next(slot) {
                return true;
            }
        }
        false
    }

    /// Sleeps, unless there is a job, which is moved into the slot, or `reason` is one not to.
    ///
    /// # Blocking
    /// Until it is woken.
    pub(crate) fn sleep(
        &self,
        helping: bool,
        slot: &mut Option<SmallJob>,
        reason: impl FnOnce() -> bool,
    ) -> Slept {
        let counters = self.shared.totals.worker(self.index);
        let searching = self.searching.replace(false);
        let slept = self
            .shared
            .sleep
            .sleep(self.index, helping, searching, |phase| {
                let last_look = !seeded("a worker ends without a last look") || phase & CLOSED == 0;
                if reason() || (last_look && self.shared.pop(slot)) {
                    Look::Found
                } else if phase & CLOSED != 0 && !helping {
                    Look::End
                } else {
                    Look::Nothing
                }
            });
        match slept {
            // Posters relied on this searcher, which has not slept: it passes that on.
            Slept::Found if searching => self.shared.sleep.relay(|| self.shared.is_empty()),
            Slept::Woken { searching } => {
                counters.park();
                counters.wake();
                self.searching.set(searching);
            }
            Slept::Found | Slept::Ended => {}
        }
        slept
    }
}
