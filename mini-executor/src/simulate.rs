//! The deterministic mode: one thread plays all workers, one seed makes every choice, and time is
//! a number.
//!
//! # What is chosen
//! Before each turn: whether the driven future or a worker goes on, and which worker; within the
//! turn, where that worker looks first (its next slot, its ring, the queue of all, another
//! worker), from whom it steals, and how far down its ring it reaches. Between two polls anything
//! that real workers might do can so happen; within a poll nothing else does, as if no two polls
//! ever overlapped.
//!
//! # Time
//! It stands still while there is anything to do. When there is not, it jumps to the next timer;
//! so a day's sleep takes no time, and nothing depends on how fast the machine is. If there is no
//! timer either, nothing will ever happen: that is a deadlock, and it is told as one.
//!
//! # What keeps it deterministic
//! Closures that may block run as tasks do, on the same thread. What reaches in from outside does
//! not: threads that the program starts, sockets, its own clock and its own random numbers.

use alloc::{sync::Arc, vec::Vec};

use exec_core::{
    Job, JobId, Nanos, Threads,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{AcqRel, Relaxed},
    },
    wait::{Completion, WaitMode, Waited},
};

use crate::{
    context::{self, Role},
    driver::Bell,
    owned::Owner,
    phase::{CLOSED, OPEN, QUIESCE},
    queue::local::{Local, Steal},
    shared::Shared,
    worker::Worker,
};

/// What a seed decides; only the thread that drives changes it.
pub(crate) struct Sim {
    pub(crate) seed: u64,
    state: AtomicU64,
    /// All choices so far, mixed into a number.
    trail: AtomicU64,
    clock: AtomicU64,
    /// The driver found that nothing will ever happen.
    stuck: AtomicBool,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            state: AtomicU64::new(seed),
            trail: AtomicU64::new(seed),
            clock: AtomicU64::new(0),
            stuck: AtomicBool::new(false),
        }
    }

    /// One of `n` (at least 1).
    fn pick(&self, n: usize) -> usize {
        if n <= 1 {
            return 0;
        }
        // ORDERING: one thread drives at a time, and the seat hands over from one to the next.
        let state = self
            .state
            .fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        let picked = (mix(state) % n as u64) as usize;
        let trail = self.trail.load(Relaxed);
        self.trail
            .store(mix(trail ^ (picked as u64) << 32 ^ n as u64), Relaxed);
        picked
    }

    pub(crate) fn trail(&self) -> u64 {
        self.trail.load(Relaxed)
    }

    pub(crate) fn now(&self) -> Nanos {
        Nanos(self.clock.load(Relaxed))
    }

    /// Moves time on to `at`.
    pub(crate) fn advance(&self, at: Nanos) {
        self.clock.fetch_max(at.0, Relaxed);
    }

    /// Ends the caller if the driver found a deadlock.
    ///
    /// # Panics
    /// Then.
    pub(crate) fn check(&self, name: &str) {
        assert!(
            !self.stuck.swap(false, AcqRel),
            "deadlock: in runtime `{name}` with seed {} every task waits, no timer is set, and \
             nothing else can wake any of them",
            self.seed
        );
    }
}

/// A number that looks like chance (the finisher of splitmix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// All workers of a runtime, on one stack.
pub(crate) struct Stage<T: Threads> {
    shared: Arc<Shared<T>>,
    workers: Vec<Worker<T>>,
}

impl<T: Threads> Stage<T> {
    fn sim(&self) -> &Sim {
        let sim = self.shared.sim.as_ref();
        sim.expect("invariant: only a runtime with a seed has a stage")
    }

    /// Calls `f` as some worker.
    fn as_some_worker<R>(&self, f: impl FnOnce() -> R) -> R {
        let worker = &self.workers[self.sim().pick(self.workers.len())];
        context::enter(self.shared.ground, worker, f)
    }

    /// One turn of some worker that has work; `false` when none has.
    fn step(&self) -> bool {
        let count = self.workers.len();
        let first = self.sim().pick(count);
        (0..count).any(|step| {
            let worker = &self.workers[(first + step) % count];
            context::enter(self.shared.ground, worker, || {
                let job = worker.next_by_chance(self.sim());
                let any = job.is_some();
                job.into_iter().for_each(|job| worker.execute(job));
                any
            })
        })
    }

    /// Moves time on to the next timer, `limit` at most, and fires what is due; `false` when there
    /// is nothing to move on to.
    fn pass_time(&self, limit: Option<Nanos>) -> bool {
        let shared = &*self.shared;
        let at = shared.next_timer().min(limit.unwrap_or(Nanos::MAX));
        if at == Nanos::MAX {
            return false;
        }
        self.sim().advance(at);
        self.as_some_worker(|| {
            let first = self.sim().pick(shared.remotes.len());
            for step in 0..shared.remotes.len() {
                let timers = &shared.remotes[(first + step) % shared.remotes.len()].timers;
                while timers.fire(shared.now()) {}
            }
        });
        true
    }

    /// As `Worker::wait`.
    pub(crate) fn wait(&self, worker: &Worker<T>, done: &dyn Completion, mode: WaitMode) -> Waited {
        let current = worker.current.get();
        let awaited = done.job();
        let below = |worker: &Worker<T>| {
            worker.current.get() == awaited || worker.suspended.borrow().contains(&awaited)
        };
        if awaited != JobId::NONE && self.workers.iter().any(below) {
            return Waited::WouldDeadlock;
        }
        worker.suspended.borrow_mut().push(current);
        let waited = loop {
            if done.is_done() {
                break Waited::Done;
            }
            if mode.until.is_some_and(|at| self.shared.now() >= at) {
                break Waited::TimedOut;
            }
            if !self.step() && !self.pass_time(mode.until) {
                break Waited::WouldDeadlock;
            }
        };
        worker.suspended.borrow_mut().pop();
        waited
    }
}

impl<T: Threads> Worker<T> {
    /// As [`run_seated`](Self::run_seated), for all workers, by chance.
    pub(crate) fn run_simulated(
        shared: &Arc<Shared<T>>,
        parts: Vec<(Local, Owner)>,
        bell: &Arc<Bell>,
        limit: Option<Nanos>,
        over: &mut dyn FnMut() -> bool,
        ready: &dyn Fn() -> bool,
    ) -> Option<Vec<(Local, Owner)>> {
        let role = (Role::Driver, Self::wait_erased as context::WaitFn);
        let workers = parts.into_iter().enumerate();
        let stage = Stage {
            shared: shared.clone(),
            workers: workers
                .map(|(index, parts)| Self::new(shared.clone(), index, parts, bell.clone(), role))
                .collect(),
        };
        for worker in &stage.workers {
            worker.stage.set(&raw const stage);
        }
        let open = stage.run(bell, limit, over, ready);
        if !open {
            for worker in &stage.workers {
                context::enter(shared.ground, worker, || worker.clear());
            }
            stage.workers[0].leave();
            return None;
        }
        let workers = stage.workers.into_iter();
        Some(workers.map(Self::into_parts).collect())
    }

    /// The job of a turn, from where chance has it look.
    fn next_by_chance(&self, sim: &Sim) -> Option<Job> {
        let first = sim.pick(4);
        (0..4).find_map(|step| match (first + step) % 4 {
            0 => self.queue.take_next(),
            1 => {
                // The oldest goes behind the others as often as chance has it.
                for _ in 0..sim.pick(self.queue.len() as usize) {
                    let job = self.queue.pop()?;
                    self.place_last(job);
                }
                self.queue.pop()
            }
            2 => self.shared.injector.pop(0, 1, |_| ()),
            _ => self.steal_by_chance(sim),
        })
    }

    fn steal_by_chance(&self, sim: &Sim) -> Option<Job> {
        let remotes = &self.shared.remotes;
        let first = sim.pick(remotes.len());
        for step in 0..remotes.len() {
            let victim = (first + step) % remotes.len();
            if victim == self.index {
                continue;
            }
            if let Steal::Success(job, n) = remotes[victim].queue.steal_into(&self.queue, 1) {
                self.counters().steals.bump_by(n.into());
                return Some(job);
            }
        }
        None
    }
}

impl<T: Threads> Stage<T> {
    /// Runs until `over` (`true`), or until the runtime is closed (`false`).
    fn run(
        &self,
        bell: &Bell,
        limit: Option<Nanos>,
        over: &mut dyn FnMut() -> bool,
        ready: &dyn Fn() -> bool,
    ) -> bool {
        let shared = &*self.shared;
        loop {
            let phase = shared.phase.get();
            if phase == CLOSED {
                return false;
            }
            if self.sim().pick(2) == 0 && self.as_some_worker(&mut *over) {
                return true;
            }
            if self.step() {
                continue;
            }
            if self.as_some_worker(&mut *over) {
                return true;
            }
            if ready() || shared.has_any_work() {
                continue;
            }
            if phase == QUIESCE && shared.end_quiet() {
                continue;
            }
            if self.pass_time(limit) || phase != OPEN && shared.end_quiet() {
                continue;
            }
            if shared.driver.is_used() {
                bell.park(shared.ground, None);
                continue;
            }
            self.sim().stuck.swap(true, AcqRel);
            return true;
        }
    }
}

/// Runs `f` once for each seed, each time with a runtime of that seed, and says which seed failed.
///
/// With the variable `MINI_EXECUTOR_SEED` in the environment only that seed is run: set it to what
/// a failure has printed, and the failure comes back, choice by choice.
///
/// # Panics
/// With the first panic of `f`, after the seed was printed to standard error.
///
/// # Blocking
/// Until all runs have ended.
///
/// # Examples
/// ```
/// mini_executor::explore(0..100, |runtime| {
///     let (a, b) = (runtime.spawn(async { 1 }), runtime.spawn(async { 2 }));
///     assert_eq!(runtime.block_on(async { a.await.unwrap() + b.await.unwrap() }), 3);
/// });
/// ```
#[cfg(all(feature = "std", not(loom)))]
pub fn explore(seeds: impl IntoIterator<Item = u64>, f: impl Fn(&crate::Runtime)) {
    let run = |seed| {
        let runtime = crate::Runtime::builder().seeded(seed).build();
        let runtime = runtime.expect("a runtime without threads needs a descriptor at most");
        if let Err(payload) = exec_core::unwind::catch(|| f(&runtime)) {
            std::eprintln!(
                "mini-executor: failed with seed {seed}; replay it with MINI_EXECUTOR_SEED={seed}"
            );
            exec_core::unwind::resume(payload);
        }
    };
    match std::env::var("MINI_EXECUTOR_SEED") {
        Ok(seed) => run(seed
            .parse()
            .expect("MINI_EXECUTOR_SEED is a number below 2^64")),
        Err(_) => seeds.into_iter().for_each(run),
    }
}
