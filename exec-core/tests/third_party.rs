//! A model as somebody outside the family would write it, the smallest that is complete: it
//! passes the conformance suite, so the suite and the trait ask for nothing that only we have.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{collections::VecDeque, thread, time::Instant};

use exec_core::{
    Caps, Executor, Ground, Handle, Job, Meta, Reason, Rejected, Shutdown, ShutdownReport, Stats,
    StdGround, Ticket, unwind,
    wait::{ParkWaiter, Waiter},
};

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: u64,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    quiet: Condvar,
    scheduled: AtomicU64,
    ran: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.running += 1;
                drop(state);
                if let Err(payload) = job.run() {
                    self.panicked.fetch_add(1, Relaxed);
                    unwind::discard(payload);
                }
                self.ran.fetch_add(1, Relaxed);
                state = self.lock();
                state.running -= 1;
                if state.queue.is_empty() && state.running == 0 {
                    self.quiet.notify_all();
                }
            } else if state.closed {
                return;
            } else {
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

struct Queue(Arc<Shared>);

impl Queue {
    fn new(workers: usize) -> Self {
        let shared = Arc::new(Shared::default());
        for _ in 0..workers {
            let shared = shared.clone();
            thread::spawn(move || shared.work());
        }
        Self(shared)
    }
}

impl Executor for Queue {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        state.queue.push_back(job);
        self.0.scheduled.fetch_add(1, Relaxed);
        self.0.work.notify_one();
        Ok(Ticket::shared())
    }

    fn waiter(&self) -> &'static dyn Waiter {
        &ParkWaiter(StdGround)
    }

    fn ground(&self) -> &dyn Ground {
        &StdGround
    }

    fn caps(&self) -> Caps {
        Caps::new("third-party", 6)
    }

    fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        let deadline = match how {
            Shutdown::Drain => None,
            Shutdown::Deadline(d) => Some(Instant::now() + d),
            Shutdown::Now => Some(Instant::now()),
        };
        let mut state = self.0.lock();
        state.closed = true;
        self.0.work.notify_all();
        while state.running > 0 || !state.queue.is_empty() {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            state = match left {
                None => self
                    .0
                    .quiet
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let waited = self.0.quiet.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let unrun = std::mem::take(&mut state.queue);
        let (cancelled, leaked) = (unrun.len() as u64, state.running);
        self.0.cancelled.fetch_add(cancelled, Relaxed);
        drop(state);
        drop(unrun);
        ShutdownReport::new(self.0.ran.load(Relaxed), cancelled, leaked)
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.scheduled = self.0.scheduled.load(Relaxed);
        stats.ran = self.0.ran.load(Relaxed);
        stats.cancelled = self.0.cancelled.load(Relaxed);
        stats.panicked = self.0.panicked.load(Relaxed);
        stats
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Workers hold the shared part alone, and end when the queue is empty.
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

exec_core::conformance!(queue, || Handle::new(Queue::new(6)).into_dyn());
