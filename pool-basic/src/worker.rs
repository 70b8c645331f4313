//! A worker: takes jobs until the pool ends, and knows what it is running.
//!
//! # Protocol
//! A worker that finds the queue empty searches for a moment (bounded, one worker at a time, and
//! only where another CPU could bring a job meanwhile), then sleeps. [`sleep`](crate::sleep) has
//! the rules.

use std::{cell::Cell, cell::RefCell, rc::Rc};

use exec_core::{
    Ground, Job, JobId, StdGround,
    sync::{Arc, spin_loop, thread},
};

use crate::{
    shared::Shared,
    sleep::{CANCELLED, CLOSED, Look, Slept},
};

/// Looks at an empty queue before a worker sleeps.
#[cfg(not(loom))]
const ROUNDS: u32 = 64;
#[cfg(loom)]
const ROUNDS: u32 = 0;

/// Spins between two such looks: together a few microseconds, well under what a wake costs.
const SPINS: u32 = 16;

/// The worker that this thread is.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    /// The jobs on this thread's stack, the innermost last: more than one when it helps.
    running: RefCell<Vec<JobId>>,
    /// Whether the sleep protocol counts it as searching.
    searching: Cell<bool>,
    rounds: u32,
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
    current().is_some_and(|worker| core::ptr::eq(&*worker.shared, shared))
}

/// What the thread of a worker does.
pub(crate) fn main(shared: Arc<Shared>, index: usize) {
    let worker = Rc::new(Worker {
        shared,
        index,
        running: RefCell::new(Vec::new()),
        searching: Cell::new(false),
        rounds: if StdGround.parallelism() > 1 {
            ROUNDS
        } else {
            0
        },
    });
    CURRENT.with(|current| current.replace(Some(worker.clone())));
    while let Some(job) = worker.next() {
        worker.run(job);
    }
    CURRENT.with(|current| current.replace(None));
}

impl Worker {
    /// Whether that job is on this thread's stack.
    pub(crate) fn is_running(&self, job: JobId) -> bool {
        self.running.borrow().contains(&job)
    }

    /// Runs a job of this pool.
    pub(crate) fn run(&self, job: Job) {
        let counters = self.shared.totals.worker(self.index);
        counters.take();
        self.running.borrow_mut().push(job.id());
        if let Err(payload) = job.run() {
            counters.panic();
            self.shared.panicked(payload);
        }
        self.running.borrow_mut().pop();
        counters.run();
    }

    /// Takes a job if there is one.
    pub(crate) fn try_next(&self) -> Option<Job> {
        let job = self.shared.pop();
        if job.is_some() {
            self.stop_searching();
        }
        job
    }

    pub(crate) fn stop_searching(&self) {
        if self.searching.replace(false) {
            self.shared.sleep.found(|| self.shared.is_empty());
        }
    }

    /// Waits for the next job; `None` when the worker has ended.
    fn next(&self) -> Option<Job> {
        loop {
            if self.shared.sleep.phase() & CANCELLED != 0 {
                self.shared.sleep.end(self.searching.replace(false));
                return None;
            }
            if let Some(job) = self.try_next().or_else(|| self.search()) {
                return Some(job);
            }
            match self.sleep(false, || None) {
                Slept::Found(Some(job)) => return Some(job),
                Slept::Found(None) | Slept::Woken { .. } => {}
                Slept::Ended => return None,
            }
        }
    }

    /// Keeps looking for a moment.
    fn search(&self) -> Option<Job> {
        if self.rounds == 0 || !(self.searching.get() || self.shared.sleep.try_search()) {
            return None;
        }
        self.searching.set(true);
        for _ in 0..self.rounds {
            for _ in 0..SPINS {
                spin_loop();
            }
            if let Some(job) = self.try_next() {
                return Some(job);
            }
        }
        None
    }

    /// Sleeps, unless there is a job, or `reason` has one not to sleep. A job that is found comes
    /// back.
    ///
    /// # Blocking
    /// Until it is woken.
    pub(crate) fn sleep(
        &self,
        helping: bool,
        reason: impl FnOnce() -> Option<()>,
    ) -> Slept<Option<Job>> {
        let counters = self.shared.totals.worker(self.index);
        let searching = self.searching.replace(false);
        let slept = self
            .shared
            .sleep
            .sleep(self.index, helping, searching, |phase| {
                if reason().is_some() {
                    return Look::Found(None);
                }
                match self.shared.pop() {
                    Some(job) => Look::Found(Some(job)),
                    None if phase & CLOSED != 0 && !helping => Look::End,
                    None => Look::Nothing,
                }
            });
        match &slept {
            Slept::Found(_) if searching => {
                // Posters relied on this searcher, which has not slept: it passes that on.
                self.shared.sleep.relay(|| self.shared.is_empty());
            }
            Slept::Woken { searching } => {
                counters.park();
                counters.wake();
                self.searching.set(*searching);
            }
            _ => {}
        }
        slept
    }
}
