//! What all threads of a runtime share, and where a job goes.
//!
//! # Protocol
//! * A new task, or a wake, on a worker: into that worker's queue. Elsewhere: into the injector.
//! * A task that is woken on a worker, or spawned there, is the one that worker runs next; the
//!   one that was to run next moves to the ring. A task that yields goes to the end of the ring,
//!   and so does a closure, which may run for long.
//! * When the ring is full, half of it moves to the injector.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use core::task::Waker;
use exec_core::{
    Job, Nanos, Reason, Rejected, Threads, Wake,
    sync::{
        TryLock,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Relaxed, SeqCst},
            fence,
        },
    },
    task::{Schedule, TaskRef},
    unwind::{self, Payload},
};
use flight_recorder::Ring;

use crate::{
    blocking::pool::Pool,
    builder::PanicHandler,
    context,
    counters::{Counter, Counters},
    driver::Driver,
    home::TasksShare,
    idle::Idle,
    latch::Latch,
    observe::Observer,
    owned::{Owner, Shard},
    pace::Pace,
    padded::Padded,
    phase::{CLOSED, OPEN, Phase},
    poll::{Lookout, SharedPatience},
    queue::{
        inject::Injector,
        local::{Local, Stealer},
    },
    seat::Seat,
    simulate::Sim,
    spare::Spares,
    time::{
        keeper::Keeper,
        timers::{Added, Timers},
    },
    wait,
    watch::Watch,
    watchdog::Watchdog,
    worker::Worker,
};

/// Lists for tasks that are spawned from outside: a thread that finds one in use takes another.
pub(crate) const OUTSIDE_LISTS: usize = 8;

/// Bits of an owned-list key that name the list; 1,024 workers and the outside ones fit.
const LIST_BITS: u32 = 11;

/// A list of tasks from outside. A spawn writes the owner, and the end of a task reads where the
/// shard is: not on one line.
pub(crate) type OutsideList = (Padded<TryLock<Owner>>, Arc<Shard>);

/// One worker, as the others see it.
pub(crate) struct Remote {
    pub(crate) queue: Stealer,
    /// Written at every sleep of a task, beside what thieves read.
    pub(crate) timers: Padded<Timers>,
    pub(crate) pace: Pace,
    pub(crate) tasks: Arc<Shard>,
    /// Counted, so that the worker reaches them in one step.
    pub(crate) counters: Arc<Padded<Counters>>,
    pub(crate) ring: Ring,
}

impl Remote {
    /// Whether what a thief would find here is worth one.
    #[inline]
    pub(crate) fn is_worth_a_thief(&self) -> bool {
        self.pace.is_worth(self.queue.stealable())
    }
}

/// See the module head.
pub(crate) struct Shared<T: Threads> {
    pub(crate) ground: T,
    pub(crate) name: Arc<str>,
    /// Whether a woken task runs next.
    pub(crate) lifo: bool,
    pub(crate) on_panic: Option<PanicHandler>,
    pub(crate) injector: Injector,
    pub(crate) idle: Idle,
    pub(crate) driver: Arc<Driver>,
    pub(crate) lookout: Padded<Lookout>,
    pub(crate) watch: Padded<Watch>,
    pub(crate) keeper: Padded<Keeper>,
    /// How long callers of `block_on` look out.
    pub(crate) patience: SharedPatience,
    /// Its workers.
    pub(crate) workers: usize,
    /// One for each worker, one for the guest, and those of the spare threads.
    pub(crate) remotes: Box<[Remote]>,
    /// The first of them that no thread has ever used, at the end.
    pub(crate) in_use: Padded<AtomicUsize>,
    /// How many spare threads there may be.
    pub(crate) spares_most: usize,
    pub(crate) spares: Spares,
    /// Bytes of stack of a worker.
    pub(crate) stack_size: Option<usize>,
    pub(crate) watchdog: Option<Watchdog>,
    /// The forks before it was made.
    pub(crate) forks: usize,
    /// What a seed decides, in a runtime that has one.
    pub(crate) sim: Option<Sim>,
    /// Whether workers note what they do.
    pub(crate) recording: AtomicBool,
    pub(crate) observer: Arc<Observer>,
    /// Where a thread that drives the runtime sits, if it has no threads of its own.
    pub(crate) seat: Option<Seat>,
    /// What a thread in `block_on` needs to run a job as a worker would.
    pub(crate) guest: TryLock<Option<(Local, Owner)>>,
    /// Threads in `block_on` that do not wait.
    pub(crate) callers: Padded<AtomicUsize>,
    /// Whether it runs one; written by that thread.
    pub(crate) guest_runs: AtomicBool,
    pub(crate) outside_tasks: Box<[OutsideList]>,
    pub(crate) outside: Padded<Counters>,
    pub(crate) blocking: Pool<T>,
    pub(crate) phase: Phase,
    /// Workers that sleep inside a task of theirs.
    pub(crate) waiting: Padded<Counter>,
    /// Set when the last worker has left.
    pub(crate) all_left: Latch,
    /// Workers that have not left.
    pub(crate) present: Padded<AtomicUsize>,
    pub(crate) threads: TryLock<Vec<T::Thread>>,
    /// What all living tasks hold together; see `home.rs`.
    pub(crate) share: TasksShare,
}

impl<T: Threads> Shared<T> {
    /// Calls `f` with the current thread's worker, if it is one of this runtime.
    #[inline]
    pub(crate) fn with_worker<R>(&self, f: impl FnOnce(Option<&Worker<T>>) -> R) -> R {
        let this = core::ptr::from_ref(self).cast();
        // SAFETY: the workers of a `Shared<T>` have blocks of type `Worker<T>`, and no two live
        // ones have the same address; a worker keeps its own alive.
        unsafe { context::with_worker(self.ground, this, f) }
    }

    /// Takes a new job: a closure, or the first poll of a future.
    #[inline]
    pub(crate) fn spawn(&self, job: Job) -> Result<(), Rejected> {
        if self.phase.get() != OPEN {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        self.with_worker(|worker| match worker {
            Some(worker) => {
                worker.counters().scheduled.bump();
                worker.place_new(job);
                Ok(())
            }
            None => {
                if self.is_forked() {
                    return Err(Rejected::new(job, Reason::Forked));
                }
                self.inject(job)
                    .map_err(|job| Rejected::new(job, Reason::ShutDown))?;
                self.outside.scheduled.add(1);
                Ok(())
            }
        })
    }

    /// Takes the next poll of a future.
    ///
    /// # Errors
    /// The job, once the runtime is closed.
    #[inline]
    pub(crate) fn wake(&self, job: Job, wake: Wake) -> Result<(), Job> {
        self.with_worker(|worker| match worker {
            Some(worker) => worker.wake(job, wake),
            None => self.wake_from_outside(job),
        })
    }

    /// As [`wake`](Self::wake), on a thread that is no worker of this runtime.
    pub(crate) fn wake_from_outside(&self, job: Job) -> Result<(), Job> {
        if self.phase.get() == CLOSED {
            return Err(job);
        }
        self.inject(job)?;
        self.outside.scheduled.add(1);
        self.outside.wakes_of_tasks.add(1);
        Ok(())
    }

    /// Puts a job into the injector and sees to it that a worker comes for it.
    fn inject(&self, job: Job) -> Result<(), Job> {
        self.injector.push(job, self.hint())?;
        self.after_inject();
        Ok(())
    }

    /// Adds jobs that a worker's ring has no room for.
    pub(crate) fn inject_all(&self, jobs: Vec<Job>) {
        self.inject_quietly(jobs);
        self.idle.post();
    }

    /// As [`inject_all`](Self::inject_all), by a worker that gets to them soon by itself, and has seen
    /// to it that the watch comes if not.
    pub(crate) fn inject_quietly(&self, jobs: Vec<Job>) {
        match self.injector.push_all(jobs, self.hint()) {
            Ok(()) => {
                // ORDERING: as in `Idle::post`: the jobs before, the phase after; see `lane.rs`.
                fence(SeqCst);
                self.settle_injector();
            }
            Err(jobs) => self.cancel_jobs(jobs),
        }
    }

    fn after_inject(&self) {
        self.idle.post();
        self.settle_injector();
    }

    /// After jobs were put in: a shutdown that came meanwhile may have missed them.
    fn settle_injector(&self) {
        if self.phase.get() == CLOSED {
            self.cancel_jobs(self.injector.settle());
        }
    }

    /// Whether any queue has work that its worker will not take at once; a caller that must not
    /// miss any fences before.
    ///
    /// One job alone in the ring of a worker that is awake is that worker's own next one. Taking it
    /// would move it to another core for nothing, unless the worker is held up: for that see
    /// `watch.rs`. The same holds for a few jobs that it gets through fast: see `pace.rs`.
    pub(crate) fn has_work(&self) -> bool {
        !self.injector.is_empty()
            || self
                .used()
                .iter()
                .any(|remote| remote.queue.stealable() > 1 && remote.is_worth_a_thief())
    }

    /// The time of this runtime: the ground's, unless a seed makes it.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        match &self.sim {
            None => self.ground.now(),
            Some(sim) => sim.now(),
        }
    }

    /// [`thread_hint`], where nothing may depend on the thread.
    pub(crate) fn hint(&self) -> usize {
        match self.sim {
            None => thread_hint(),
            Some(_) => 0,
        }
    }

    /// Counts something that this thread does: in its own set if it is a worker, or else in that of
    /// the threads from outside. `f` gets the set, and what adds one to a counter of it.
    pub(crate) fn count_here(&self, f: impl Fn(&Counters, &dyn Fn(&Counter))) {
        self.with_worker(|worker| match worker {
            Some(worker) => f(worker.counters(), &Counter::bump),
            None => f(&self.outside, &|counter| counter.add(1)),
        });
    }

    /// Why a new task would be refused now.
    pub(crate) fn refusal(&self) -> Option<Reason> {
        if self.phase.get() != OPEN {
            return Some(Reason::ShutDown);
        }
        self.is_forked().then_some(Reason::Forked)
    }

    /// Whether this is a child of `fork`, where the runtime has no threads. A runtime without
    /// threads of its own has lost none.
    pub(crate) fn is_forked(&self) -> bool {
        self.seat.is_none() && wait::forks() != self.forks
    }

    /// How many threads run jobs now, as a guess: workers that neither sleep nor search, and the guest.
    pub(crate) fn busy_threads(&self) -> usize {
        let idle = self.idle.sleeping() + self.idle.searching();
        // ORDERING: a guess.
        let guest = usize::from(self.guest_runs.load(Relaxed));
        self.active().saturating_sub(idle) + guest
    }

    /// How many threads need a CPU now, as a guess: workers that do not sleep, and callers.
    pub(crate) fn awake_threads(&self) -> usize {
        // ORDERING: a guess.
        let callers = self.callers.load(Relaxed);
        self.active().saturating_sub(self.idle.sleeping()) + callers
    }

    /// How many of the remotes any thread has ever used.
    #[inline]
    pub(crate) fn in_use(&self) -> usize {
        // ORDERING: a spare thread that nobody looks at yet looks after itself.
        self.in_use.load(Relaxed)
    }

    /// The remotes that any thread has ever used.
    #[inline]
    pub(crate) fn used(&self) -> &[Remote] {
        &self.remotes[..self.in_use()]
    }

    /// How many threads are workers now.
    pub(crate) fn active(&self) -> usize {
        self.workers + self.spares.seated()
    }

    /// Whether anybody may be running jobs: one more worker than so many that is awake, or the guest.
    pub(crate) fn is_any_awake(&self, besides: usize) -> bool {
        // The guest has no place among the sleepers.
        // ORDERING: the caller has fenced, and so has the guest.
        self.idle.sleeping() + besides < self.active() || self.guest_runs.load(Relaxed)
    }

    /// One of those that are present leaves, as the last thing it does.
    pub(crate) fn left(self: &Arc<Self>) {
        // ORDERING: AcqRel: the last one to leave has seen what all did.
        if self.present.fetch_sub(1, AcqRel) == 1 {
            self.cancel_jobs(self.injector.settle());
            self.all_left.set();
            self.settle_share();
        }
    }

    /// Whether any queue has any work.
    pub(crate) fn has_any_work(&self) -> bool {
        !self.injector.is_empty()
            || self
                .remotes
                .iter()
                .any(|remote| !remote.queue.is_empty() || remote.queue.has_next())
    }

    /// Calls `waker` at `until`.
    pub(crate) fn wake_at(&self, until: Nanos, waker: &Waker) -> bool {
        if until <= self.now() {
            waker.wake_by_ref();
            return true;
        }
        self.add_timer(until, waker).1 != Added::Closed
    }

    /// Adds a timer to this worker's, or from outside to those of some worker, whose number comes
    /// back.
    pub(crate) fn add_timer(&self, at: Nanos, waker: &Waker) -> (usize, Added) {
        self.with_worker(|worker| match worker {
            // Nobody would sleep until the timers of a guest.
            Some(worker) if worker.index < self.workers => {
                (worker.index, worker.remote().timers.add(at, waker))
            }
            _ => {
                let index = self.hint() % self.workers;
                let added = self.remotes[index].timers.add(at, waker);
                self.idle.wake(index);
                (index, added)
            }
        })
    }

    /// Another counted pointer to the runtime at `this`.
    ///
    /// # Safety
    /// `this` came from an `Arc` that lives.
    pub(crate) unsafe fn again(this: *const Self) -> Arc<Self> {
        // SAFETY: by the caller.
        unsafe { Arc::increment_strong_count(this) };
        // SAFETY: the count just added.
        unsafe { Arc::from_raw(this) }
    }

    /// Enters a task into the list of the living; the key names its place.
    pub(crate) fn adopt(&self, task: TaskRef) -> usize {
        self.with_worker(|worker| match worker {
            Some(worker) => key(worker.index, worker.adopt(task)),
            None => {
                let hint = self.hint();
                let mut task = Some(task);
                loop {
                    for step in 0..self.outside_tasks.len() {
                        let at = hint.wrapping_add(step) % self.outside_tasks.len();
                        let (owner, _) = &self.outside_tasks[at];
                        let entered = owner.try_with(|owner| {
                            owner.enter(task.take().expect("invariant: entered once"))
                        });
                        if let Some(slot) = entered {
                            return key(self.remotes.len() + at, slot);
                        }
                    }
                    // As many threads as there are lists are between two instructions of an
                    // entry: let them run.
                    self.ground.yield_now();
                }
            }
        })
    }

    /// Strikes a task out that has ended; the list's reference comes back, if the list still had it.
    pub(crate) fn disown(&self, key: usize) -> Option<TaskRef> {
        let (list, slot) = (key & ((1 << LIST_BITS) - 1), (key >> LIST_BITS) as u32);
        self.with_worker(|worker| match worker {
            Some(worker) if worker.index == list => worker.disown(slot),
            _ => match self.remotes.get(list) {
                Some(remote) => remote.tasks.strike(slot),
                None => self.outside_tasks[list - self.remotes.len()].1.strike(slot),
            },
        })
    }

    /// Fires the timers of all workers that are due; `true` when there were any.
    pub(crate) fn fire_timers(&self) -> bool {
        if self.next_timer() == Nanos::MAX {
            return false;
        }
        let now = self.now();
        let mut any = false;
        for remote in self.used() {
            any |= remote.timers.fire(now);
        }
        if any {
            self.keeper.fired(now);
        }
        any
    }

    /// Every list of living tasks.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &Shard> {
        let workers = self.remotes.iter().map(|remote| &*remote.tasks);
        workers.chain(self.outside_tasks.iter().map(|(_, shard)| &**shard))
    }

    /// Tells of a panic that no joiner will see.
    pub(crate) fn report_panic(&self, payload: Payload) {
        let handler = self.on_panic.clone();
        let told = unwind::catch(move || match handler {
            Some(handler) => handler(payload),
            None => {
                #[cfg(feature = "std")]
                std::eprintln!(
                    "mini-executor: a task that nobody joins panicked: {}",
                    unwind::message(&payload).unwrap_or("(no text)")
                );
                unwind::discard(payload);
            }
        });
        if let Err(again) = told {
            unwind::discard(again);
        }
    }
}

fn key(list: usize, slot: u32) -> usize {
    (slot as usize) << LIST_BITS | list
}

/// A number that tends to differ between threads and stays the same within one: where its stack
/// is, at a grain of 64 KiB.
pub(crate) fn thread_hint() -> usize {
    let here = 0_u8;
    (core::ptr::from_ref(&here).addr() >> 16).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

impl<T: Threads> Schedule for Shared<T> {
    fn schedule(&self, job: Job, wake: Wake) {
        if let Err(job) = self.wake(job, wake) {
            self.refused(job);
        }
    }
    fn adopt(&self, task: TaskRef) -> usize {
        Self::adopt(self, task)
    }
    fn disown(&self, key: usize) -> Option<TaskRef> {
        Self::disown(self, key)
    }
}
