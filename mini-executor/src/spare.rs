//! Threads that stand in for workers that block.
//!
//! # States
//! A worker that blocks on purpose (`block_in_place`), and one that the watchdog has found stuck,
//! is *wanting*. A spare thread is parked, or *seated*: then it is a worker like any other, with a
//! ring, a place among the sleepers, and a turn in the reactor. No more are seated than are
//! wanted, at the latest after the job that each one is in.
//!
//! # Protocol
//! * Who wants a stand-in raises `wanted`, wakes the spare threads that are parked, and starts
//!   one more if that is not enough and there may be more.
//! * A spare thread that is parked sits down by raising `seated`, if that is below `wanted`.
//! * A worker that no longer blocks lowers `wanted`. A seated spare that sees too many seated
//!   lowers `seated`, hands what is in its ring to the injector, and parks.
//!
//! # Why nothing is lost
//! A spare leaves a waker and then looks at `wanted`; who wants raises it and then wakes. A spare
//! that leaves its seat has emptied its ring. If no thread can be had, the blocked worker's tasks
//! are left to the other workers, as they were before.
//!
//! # Shutdown
//! A spare thread counts among those that are present, and leaves as a worker does.

use alloc::{format, sync::Arc, vec::Vec};

use exec_core::{
    Ground, Job, ThreadSpec, Threads,
    sync::{
        TryLock,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire, SeqCst},
            fence,
        },
    },
};

use crate::{
    context::{self, Role},
    owned::Owner,
    phase::CLOSED,
    queue::local::Local,
    shared::Shared,
    waiting::{Waiting, with},
    worker::Worker,
};

/// A seat that no thread has taken: its index among the remotes, and a worker's parts.
pub(crate) type Parts = (usize, Local, Owner);

/// See the module head.
pub(crate) struct Spares {
    wanted: AtomicUsize,
    seated: AtomicUsize,
    /// Seats of threads that were not started yet.
    parts: TryLock<Vec<Parts>>,
    parked: Waiting,
}

impl Spares {
    /// None has been started.
    pub(crate) fn new(parts: Vec<Parts>) -> Self {
        Self {
            wanted: AtomicUsize::new(0),
            seated: AtomicUsize::new(0),
            parts: TryLock::new(parts),
            parked: Waiting::new(),
        }
    }

    /// How many spare threads are workers now.
    pub(crate) fn seated(&self) -> usize {
        self.seated.load(Acquire)
    }

    /// Spare: sits down if somebody wants it.
    fn try_sit(&self) -> bool {
        let wanted = self.wanted.load(Acquire);
        self.seated
            .fetch_update(AcqRel, Acquire, |n| (n < wanted).then_some(n + 1))
            .is_ok()
    }

    /// Spare: stands up if too many are seated.
    fn try_stand(&self) -> bool {
        let wanted = self.wanted.load(Acquire);
        self.seated
            .fetch_update(AcqRel, Acquire, |n| (n > wanted).then(|| n - 1))
            .is_ok()
    }

    /// Wakes every spare that is parked.
    pub(crate) fn wake_all(&self, ground: &impl Ground) {
        self.parked.wake_all(ground);
    }
}

impl<T: Threads> Shared<T> {
    /// A worker blocks: another thread is to do its work. Called by somebody who is present.
    pub(crate) fn want_spare(self: &Arc<Self>) {
        let spares = &self.spares;
        let wanted = spares.wanted.fetch_add(1, AcqRel) + 1;
        // ORDERING: pairs with the fence of `run_spare`: `wanted` before, the parked after.
        fence(SeqCst);
        spares.wake_all(&self.ground);
        let started = |parts: &mut Vec<Parts>| self.spares_most - parts.len();
        if with(&spares.parts, &self.ground, |parts| started(parts)) < wanted {
            self.start_spare();
        }
    }

    /// The worker goes on.
    pub(crate) fn release_spare(&self) {
        self.spares.wanted.fetch_sub(1, AcqRel);
    }

    /// Starts one more thread, if there may be one and the ground gives it.
    fn start_spare(self: &Arc<Self>) {
        let Some((index, queue, tasks)) = with(&self.spares.parts, &self.ground, Vec::pop) else {
            return;
        };
        self.present.fetch_add(1, AcqRel);
        // The others look at the rings up to here from now on.
        self.in_use.fetch_max(index + 1, AcqRel);
        let place = Arc::new(TryLock::new(Some((queue, tasks))));
        let entry = {
            let (place, shared) = (place.clone(), self.clone());
            Job::new(move || {
                if let Some((queue, tasks)) = place.try_with(Option::take).flatten() {
                    Worker::run_spare(shared, index, queue, tasks);
                }
            })
        };
        let mut spec = ThreadSpec::new().name(format!("{}-spare-{index}", self.name));
        if let Some(bytes) = self.stack_size {
            spec = spec.stack_size(bytes);
        }
        match self.ground.create(&spec, entry) {
            Ok(thread) => {
                let mut thread = Some(thread);
                with(&self.threads, &self.ground, |threads| {
                    threads.extend(thread.take());
                });
            }
            Err(_refused) => {
                // The caller is present, so this is not the last one.
                self.present.fetch_sub(1, AcqRel);
                if let Some((queue, tasks)) = place.try_with(Option::take).flatten() {
                    let mut parts = Some((index, queue, tasks));
                    with(&self.spares.parts, &self.ground, |free| {
                        free.extend(parts.take());
                    });
                }
            }
        }
    }

    /// Runs a closure that blocks on this thread; a worker's place is taken by a spare thread
    /// meanwhile.
    pub(crate) fn block_in_place<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        struct Release<'a, T: Threads>(&'a Shared<T>, usize);
        impl<T: Threads> Drop for Release<'_, T> {
            fn drop(&mut self) {
                self.0.remotes[self.1].counters.in_place.take(1);
                self.0.release_spare();
            }
        }
        let role = context::with(self.ground, |context| context.map(|c| c.role));
        let _release = self.with_worker(|worker| {
            let worker = worker?;
            // What waits behind this job is everybody's.
            worker.hand_over();
            if role != Some(Role::Worker) || worker.index == self.workers {
                // A guest, or the driver of a runtime without threads.
                return None;
            }
            self.remotes[worker.index].counters.in_place.add(1);
            self.want_spare();
            Some(Release(&**self, worker.index))
        });
        f()
    }
}

/// Runs a closure that blocks on this thread, and has another thread do the worker's work
/// meanwhile: its queue, its timers, the reactor.
///
/// What waits behind this task moves to the queue of all, and a spare thread is woken or started
/// (as many as [`Builder::spare_threads`](crate::Builder::spare_threads) says). Elsewhere than on a worker of a runtime with
/// threads of its own, `f` is just called: in `block_on`, on a thread that may block anyway, and in
/// a [`current_thread`](crate::Builder::current_thread) runtime, where nothing else runs until it
/// returns. [`unblock`](crate::Runtime::unblock) keeps the number of threads bounded and takes
/// closures that do not borrow.
///
/// # Panics
/// With the panic of `f`.
///
/// # Blocking
/// As `f` does. A future that is joined with this one in one task does not go on meanwhile.
///
/// # Examples
/// ```
/// let runtime = mini_executor::Runtime::builder().workers(1).build().unwrap();
/// let spawner = runtime.spawner();
/// let sum = runtime.spawn(async move {
///     let (give, got) = std::sync::mpsc::channel();
///     spawner.spawn(async move { give.send(7) }).detach();
///     // The only worker blocks here, and another thread runs the task that it waits for.
///     mini_executor::block_in_place(|| got.recv())
/// });
/// assert_eq!(sum.join().unwrap(), Ok(7));
/// ```
#[cfg(all(feature = "std", not(loom)))]
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    match crate::Spawner::<kernel_bridge::Host>::current() {
        Some(spawner) => spawner.block_in_place(f),
        None => f(),
    }
}

impl<T: Threads> Worker<T> {
    /// A spare thread's whole life.
    fn run_spare(shared: Arc<Shared<T>>, index: usize, queue: Local, tasks: Owner) {
        Self::run_with(shared, index, queue, tasks, |worker| {
            let (shared, spares) = (&worker.shared, &worker.shared.spares);
            let mut seated = false;
            while shared.phase.get() != CLOSED {
                if !seated {
                    seated = spares.try_sit();
                    if !seated {
                        spares
                            .parked
                            .leave(&shared.ground.unparker(), &shared.ground);
                        // ORDERING: pairs with the fence of `want_spare`.
                        fence(SeqCst);
                        seated = spares.try_sit();
                        if !seated && shared.phase.get() != CLOSED {
                            shared.ground.park(None);
                        }
                    }
                    if seated {
                        worker.cover.woke();
                    }
                } else if spares.seated() > spares.wanted.load(Acquire) && spares.try_stand() {
                    seated = false;
                    worker.hand_over();
                    worker.pass_on();
                    // Who drains may have waited for this ring.
                    shared.idle.post();
                } else {
                    worker.turn();
                }
            }
        });
    }
}
