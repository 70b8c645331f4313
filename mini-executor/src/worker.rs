//! One worker: what it runs next, how it finds work, how it sleeps.
//!
//! # Protocol
//! A turn is one job: the next slot, at most [`STREAK`] times in a row; else the ring; else a
//! share of the injector; else half of another worker's ring. Every [`LOOK`] turns it looks
//! around first: timers that are due, and one job of the injector, so that a worker which is
//! never out of work does not starve what comes from outside. When there is nothing it looks out
//! for a moment (`poll.rs`), then sleeps as told in `idle.rs`, in the reactor if nobody is there
//! (`driver.rs`), until its next timer; one sleeper watches those that are awake (`watch.rs`).
//!
//! # Waiting inside a task
//! A job that blocks in `JoinHandle::join` or in a scope runs turns of this loop until what it
//! waits for is done (see `wait.rs`).
//!
//! # Shutdown
//! See `phase.rs`. A worker that leaves drops what is left in its own ring.

use alloc::{sync::Arc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    task::Waker,
};

use exec_core::{
    Job, JobId, Nanos, Threads, Wake,
    sync::spin_loop,
    task::TaskRef,
    wait::{Completion, WaitMode, Waited, park_until},
};
use flight_recorder::Event;

use crate::{
    context::{self, Block, Context, Role, WaitFn},
    coop::BUDGET,
    counters::Counters,
    driver::Bell,
    idle::Awake,
    owned::Owner,
    pace::Stopwatch,
    phase::{CLOSED, OPEN},
    poll::{Patience, look_out},
    queue::local::{Local, Steal},
    record::RESCUE,
    shared::{Remote, Shared},
    simulate::Stage,
    watch::{Lone, Watched},
};

/// Turns between two looks around. A prime, so that it does not fall in step with the tasks.
const LOOK: u32 = 61;
/// Room in the ring for which the reactor is asked: as many events as it gives at once.
const BATCH: u32 = 16;
/// Looks after which it is asked although the ring is full.
const LOOK_ANYWAY: u32 = 16;
/// How often in a row the next slot goes before the ring.
const STREAK: u32 = 16;
/// Tasks in the ring for which another worker is woken at once.
const MANY: u32 = 16;
/// Times that a thief goes around when others were at the rings it looked at.
const ROUNDS: u32 = 4;

/// A worker's own part; it lives on its thread's stack.
#[repr(C)]
pub(crate) struct Worker<T: Threads> {
    context: Context,
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) index: usize,
    pub(crate) queue: Local,
    tasks: Owner,
    turn: Cell<u32>,
    streak: Cell<u32>,
    searching: Cell<bool>,
    /// A future was just entered into the list: the job that comes next is its first poll.
    adopted: Cell<bool>,
    /// Whether it is telling tasks what the reactor has for them.
    dispatching: Cell<bool>,
    /// The job that runs.
    pub(crate) current: Cell<JobId>,
    /// The jobs below it that wait for something, and run others meanwhile.
    pub(crate) suspended: RefCell<Vec<JobId>>,
    dice: Cell<u64>,
    bell: Arc<Bell>,
    patience: Patience,
    /// It was woken for a job, and takes one even from a ring that has no other.
    greedy: Cell<bool>,
    /// It takes the time of its turns.
    stopwatch: Stopwatch,
    /// What it saw of the others when it watched them last.
    watched: Watched,
    /// The workers that one thread plays, this one among them; null where each has its thread.
    pub(crate) stage: Cell<*const Stage<T>>,
}

// SAFETY: `repr(C)`, and the first field is the context.
unsafe impl<T: Threads> Block for Worker<T> {}

impl<T: Threads> Worker<T> {
    pub(crate) fn new(
        shared: Arc<Shared<T>>,
        index: usize,
        (queue, tasks): (Local, Owner),
        bell: Arc<Bell>,
        (role, wait): (Role, WaitFn),
    ) -> Self {
        Self {
            context: Context::new::<T>(
                role,
                Arc::as_ptr(&shared).cast(),
                shared.name.clone(),
                Some(wait),
            ),
            bell,
            shared,
            index,
            queue,
            tasks,
            turn: Cell::new(0),
            streak: Cell::new(0),
            searching: Cell::new(false),
            adopted: Cell::new(false),
            dispatching: Cell::new(false),
            current: Cell::new(JobId::NONE),
            suspended: RefCell::new(Vec::new()),
            dice: Cell::new(index as u64 * 2 + 1),
            patience: Patience::new(),
            greedy: Cell::new(false),
            stopwatch: Stopwatch::new(),
            watched: Watched::new(),
            stage: Cell::new(core::ptr::null()),
        }
    }

    /// A worker's whole life.
    pub(crate) fn run(shared: Arc<Shared<T>>, index: usize, queue: Local, tasks: Owner) {
        Self::run_with(shared, index, queue, tasks, |worker| {
            while worker.shared.phase.get() != CLOSED {
                worker.turn();
            }
        });
    }

    /// One job, or a sleep.
    pub(crate) fn turn(&self) {
        match self.next() {
            Some(job) => self.execute(job),
            None => self.sleep(None, &|| false),
        }
    }

    /// Lives as a worker for as long as `live` does, which ends with the runtime.
    pub(crate) fn run_with(
        shared: Arc<Shared<T>>,
        index: usize,
        queue: Local,
        tasks: Owner,
        live: impl FnOnce(&Self),
    ) {
        let bell = Bell::new(shared.ground, shared.driver.clone());
        let role = (Role::Worker, Self::wait_erased as WaitFn);
        let worker = Self::new(shared, index, (queue, tasks), bell, role);
        let ground = worker.shared.ground;
        ground.be_punctual();
        // SAFETY: once, before the worker sleeps for the first time.
        unsafe {
            worker
                .shared
                .idle
                .register(index, worker.bell.clone().into())
        };
        context::enter(ground, &worker, || {
            live(&worker);
            worker.clear();
        });
        worker.leave();
    }

    pub(crate) fn remote(&self) -> &Remote {
        &self.shared.remotes[self.index]
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.remote().counters
    }

    pub(crate) fn adopt(&self, task: TaskRef) -> u32 {
        self.adopted.set(true);
        self.tasks.enter(task)
    }

    pub(crate) fn disown(&self, slot: u32) {
        self.tasks.strike(slot);
    }

    /// Queues a new job.
    #[inline]
    pub(crate) fn place_new(&self, job: Job) {
        // A closure may run for long without giving way: it goes where others can take it.
        if self.adopted.take() && self.shared.lifo {
            self.place_next(job);
        } else {
            self.remote().pace.slow();
            self.place_last(job);
            self.note_wake(self.shared.idle.hint());
        }
        self.recheck();
    }

    /// Queues a future's next poll.
    #[inline]
    pub(crate) fn place_woken(&self, job: Job, wake: Wake) {
        if self.dispatching.get() {
            // Each in its turn; whether help is needed is seen when all are here.
            self.place_last(job);
        } else if wake == Wake::Woken && self.shared.lifo {
            self.place_next(job);
        } else {
            self.place_last(job);
            self.hint_for_many();
        }
        self.recheck();
    }

    fn place_next(&self, job: Job) {
        match self.queue.put_next(job) {
            // Should this task go on for long, somebody has to see that the next one waits.
            Ok(None) if !self.shared.watch.is_on() => {
                self.note_wake(self.shared.idle.hint());
            }
            Ok(None) => {}
            Ok(Some(job)) | Err(job) => {
                self.place_last(job);
                self.hint_for_many();
            }
        }
    }

    /// Tasks that were woken here wait in the ring: calls for help if it is worth another worker's
    /// waking, which takes as long as some hundred short polls. For fewer the watch is enough,
    /// which comes for them if they are still here when it looks.
    #[inline]
    fn hint_for_many(&self) {
        let waiting = self.queue.len();
        let are_many = waiting >= MANY && self.remote().pace.is_worth(waiting);
        if are_many || waiting > 1 && !self.shared.watch.is_on() {
            self.note_wake(self.shared.idle.hint());
        }
    }

    pub(crate) fn place_last(&self, job: Job) {
        if let Err(job) = self.queue.push(job) {
            self.overflow(job);
        }
    }

    #[cold]
    fn overflow(&self, job: Job) {
        let mut jobs = Vec::new();
        self.queue.spill(|job| jobs.push(job));
        jobs.push(job);
        self.shared.inject_all(jobs);
    }

    /// After a job was queued here: a shutdown that came meanwhile may have missed it.
    #[inline]
    fn recheck(&self) {
        if self.shared.phase.get() == CLOSED {
            self.clear();
        }
    }

    /// Drops what is queued here.
    #[cold]
    pub(crate) fn clear(&self) {
        let mut jobs = Vec::from_iter(self.queue.take_next());
        jobs.extend(core::iter::from_fn(|| self.queue.pop()));
        self.shared.cancel_jobs(jobs);
    }

    /// The job to run in this turn.
    fn next(&self) -> Option<Job> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        if turn.is_multiple_of(LOOK)
            && let Some(job) = self.look_around()
        {
            return self.got(job);
        }
        if self.streak.get() < STREAK {
            if let Some(job) = self.queue.take_next() {
                self.streak.set(self.streak.get() + 1);
                return self.got(job);
            }
        } else if let Some(job) = self.queue.take_next() {
            self.place_last(job);
        }
        self.streak.set(0);
        if let Some(job) = self.queue.pop() {
            return self.got(job);
        }
        if self.shared.fire_timers()
            && let Some(job) = self.queue.take_next().or_else(|| self.queue.pop())
        {
            return self.got(job);
        }
        if let Some(job) = self.take_injected() {
            return self.got(job);
        }
        if self.shared.driver.is_used()
            && self.dispatch(|| self.shared.driver.look())
            && let Some(job) = self.queue.pop()
        {
            return self.got(job);
        }
        self.steal()
    }

    /// A worker with work no longer searches; the last searcher wakes the next, if there is more.
    fn got(&self, job: Job) -> Option<Job> {
        if self.searching.get() {
            self.greedy.set(false);
            self.stop_searching();
        }
        Some(job)
    }

    #[cold]
    fn stop_searching(&self) {
        self.searching.set(false);
        if self.shared.idle.found() && self.shared.has_work() {
            self.note_wake(self.shared.idle.post());
        }
    }

    #[cold]
    fn look_around(&self) -> Option<Job> {
        let shared = &*self.shared;
        let pace = &self.remote().pace;
        if shared.sim.is_none() {
            // Time that a seed makes tells nothing of the pace.
            self.stopwatch.look(shared.ground.now(), LOOK, pace);
        }
        shared.fire_timers();
        let first = self.take_injected();
        // Events that the ring has no room for are better off with the system: see `reactor.rs`;
        // but tasks that never wait must not keep sockets from being served.
        if self.queue.room() >= BATCH || self.turn.get().is_multiple_of(LOOK * LOOK_ANYWAY) {
            self.dispatch(|| shared.driver.look());
        }
        if pace.is_worth(self.queue.len()) {
            // What was queued here since the last look was only hinted at.
            self.note_wake(shared.idle.post());
        }
        first
    }

    /// Calls `f`, which wakes tasks in the order in which the system reports what they wait for.
    fn dispatch<R>(&self, f: impl FnOnce() -> R) -> R {
        self.dispatching.set(true);
        let result = f();
        self.dispatching.set(false);
        self.hint_for_many();
        result
    }

    fn take_injected(&self) -> Option<Job> {
        let room = self.queue.room() as usize / 2;
        self.shared.injector.pop(room, self.shared.workers, |job| {
            let pushed = self.queue.push(job);
            debug_assert!(pushed.is_ok(), "invariant: there was room");
        })
    }

    fn steal(&self) -> Option<Job> {
        let shared = &*self.shared;
        if !self.searching.get() {
            if !shared.idle.try_search() {
                return None;
            }
            self.searching.set(true);
        }
        let count = shared.in_use();
        let least = if self.greedy.get() { 1 } else { 2 };
        for _ in 0..ROUNDS {
            let mut again = false;
            let from = self.roll() as usize % count;
            for step in 0..count {
                let victim = (from + step) % count;
                let remote = &shared.remotes[victim];
                if victim == self.index || !self.greedy.get() && !remote.is_worth_a_thief() {
                    continue;
                }
                match remote.queue.steal_into(&self.queue, least) {
                    Steal::Success(job, n) => {
                        self.counters().steals.bump_by(n.into());
                        self.note(Event::Steal, || victim as u64);
                        return self.got(job);
                    }
                    Steal::Retry => again = true,
                    Steal::Empty => {}
                }
            }
            if let Some(job) = self.take_injected() {
                return self.got(job);
            }
            if !again {
                break;
            }
            spin_loop();
        }
        None
    }

    /// A cheap random number (xorshift), to spread thieves over victims.
    fn roll(&self) -> u64 {
        let mut x = self.dice.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.dice.set(x);
        x
    }

    pub(crate) fn execute(&self, job: Job) {
        let counters = self.counters();
        let below = self.current.replace(job.id());
        let budget = self.context.budget.replace(BUDGET);
        let since = self.shared.is_recording().then(|| {
            self.note(Event::JobStart, || job.id().to_bits() as u64);
            self.shared.now()
        });
        counters.running.bump();
        let result = job.run();
        counters.running.put(counters.running.get() - 1);
        if let Some(since) = since {
            self.note(Event::JobEnd, || 0);
            let took = self.shared.now().saturating_since(since);
            counters.note_poll(took.as_nanos() as u64);
        }
        self.current.set(below);
        self.context.budget.set(budget);
        counters.ran.bump();
        if let Err(payload) = result {
            counters.panicked.bump();
            self.shared.report_panic(payload);
        }
    }

    /// Looks out for work for a while; `true` when there is some.
    fn look_out(&self, limit: Nanos, over: &dyn Fn() -> bool) -> bool {
        let shared = &*self.shared;
        let time = self.patience.now();
        if time.is_zero() || shared.phase.get() != OPEN || !shared.lookout.take() {
            return false;
        }
        // It counts as searching, so whoever posts a job meanwhile wakes nobody.
        if !self.searching.replace(true) {
            shared.idle.search();
        }
        self.stopwatch.interrupt();
        let lone = Lone::new();
        let seen = look_out(&shared.ground, time, limit, || {
            let held_up = || lone.is_held_up(shared.used().iter().map(|r| &r.queue));
            if shared.has_work() || shared.phase.get() != OPEN || over() {
                return true;
            }
            self.greedy.set(held_up());
            self.greedy.get()
        });
        shared.lookout.leave();
        self.patience.learn(seen);
        seen
    }

    /// Sleeps until there may be work, or until `limit`, or until this thread's token is set; not
    /// at all when it is `over` while it looks out.
    fn sleep(&self, limit: Option<Nanos>, over: &dyn Fn() -> bool) {
        let shared = &*self.shared;
        let next = shared.next_timer();
        let until = limit.map_or(next, |limit| limit.min(next));
        // Whoever waits in the reactor is woken by it; a look-out would not see its events.
        if !shared.driver.is_used() && self.look_out(until, over) {
            return;
        }
        self.stopwatch.interrupt();
        shared.idle.announce(self.index, self.searching.take());
        if shared.has_work() || over() || shared.phase.get() != OPEN && shared.end_if_quiet() {
            if shared.idle.awake(self.index) == Awake::Alone {
                shared.idle.search();
            }
            self.searching.set(true);
            return;
        }
        // The fence is behind: timers that were added meanwhile are seen.
        let (next, keeps) = shared.keeper.arm(shared.next_timer(), || shared.now());
        let until = limit.map_or(next, |limit| limit.min(next));
        if until > Nanos(0) {
            self.counters().parks.bump();
            self.note(Event::ParkStart, || 0);
            self.park(until);
            self.note(Event::ParkEnd, || 0);
        }
        if keeps {
            shared.keeper.disarm(next);
        }
        if shared.idle.awake(self.index) == Awake::Claimed {
            self.counters().wakes.bump();
            self.searching.set(true);
            self.greedy.set(true);
        }
        if let Some(watchdog) = &shared.watchdog {
            watchdog.rouse(&shared.ground);
        }
    }

    /// Parks; as the one that watches the others, if nobody does and some are awake.
    fn park(&self, until: Nanos) {
        let shared = &*self.shared;
        let Some(rest) = shared.watch.take(self.index, || shared.is_any_awake()) else {
            let until = (until != Nanos::MAX).then_some(until);
            self.dispatch(|| self.bell.park(shared.ground, until));
            return;
        };
        let until = until.min(shared.now().saturating_add(rest));
        self.dispatch(|| {
            self.bell.park(shared.ground, Some(until));
            shared.driver.look();
        });
        if let Some(job) = self.watched.rescue(shared, self.index) {
            self.note(Event::Mark, || RESCUE);
            self.place_last(job);
        }
        shared.watch.leave(self.index);
    }

    /// Runs turns until `done`.
    fn wait(&self, done: &dyn Completion, mode: WaitMode) -> Waited {
        // SAFETY: null, or the stage on whose worker this call is, further down this stack.
        if let Some(stage) = unsafe { self.stage.get().as_ref() } {
            return stage.wait(self, done, mode);
        }
        let shared = &*self.shared;
        let current = self.current.get();
        let awaited = done.job();
        if awaited != JobId::NONE
            && (awaited == current || self.suspended.borrow().contains(&awaited))
        {
            return Waited::WouldDeadlock;
        }
        let waker = Waker::from(self.bell.clone());
        self.suspended.borrow_mut().push(current);
        let waited = loop {
            if done.is_done() {
                break Waited::Done;
            }
            if mode.until.is_some_and(|at| shared.now() >= at) {
                break Waited::TimedOut;
            }
            if shared.phase.get() != CLOSED
                && let Some(job) = self.next()
            {
                self.execute(job);
                continue;
            }
            if done.subscribe(&waker) {
                break Waited::Done;
            }
            shared.waiting.add(1);
            if shared.phase.get() == CLOSED {
                self.bell.park(shared.ground, mode.until);
            } else {
                self.sleep(mode.until, &|| done.is_done());
            }
            shared.waiting.take(1);
        };
        self.suspended.borrow_mut().pop();
        self.pass_on();
        waited
    }

    /// Claimed for a job just when it had another thing to do: passes the duty on.
    pub(crate) fn pass_on(&self) {
        if self.searching.get() {
            self.stop_searching();
        }
    }

    /// [`wait`](Self::wait) for a thread that only knows the context.
    ///
    /// # Safety
    /// The context is the first field of a `Worker<T>` of this thread.
    pub(crate) unsafe fn wait_erased(
        context: *const Context,
        done: &dyn Completion,
        mode: WaitMode,
    ) -> Waited {
        // SAFETY: by the caller; the worker's frame is below this one.
        let worker = unsafe { &*context.cast::<Self>() };
        worker.wait(done, mode)
    }

    /// Runs turns on a thread that sits in the one seat of a runtime without threads, until `over`;
    /// `ready` says that `over` is worth asking. The parts come back unless the runtime is closed.
    pub(crate) fn run_seated(
        shared: &Arc<Shared<T>>,
        mut parts: Vec<(Local, Owner)>,
        bell: &Arc<Bell>,
        limit: Option<Nanos>,
        over: &mut dyn FnMut() -> bool,
        ready: &dyn Fn() -> bool,
    ) -> Option<Vec<(Local, Owner)>> {
        if shared.sim.is_some() {
            return Self::run_simulated(shared, parts, bell, limit, over, ready);
        }
        let parts = parts.pop().expect("invariant: one seat");
        let role = (Role::Driver, Self::wait_erased as WaitFn);
        let worker = Self::new(shared.clone(), 0, parts, bell.clone(), role);
        let open = context::enter(shared.ground, &worker, || {
            loop {
                if shared.phase.get() == CLOSED {
                    worker.clear();
                    break false;
                }
                if over() {
                    break true;
                }
                match worker.next() {
                    Some(job) => worker.execute(job),
                    None => worker.sleep(limit, ready),
                }
            }
        });
        if open {
            worker.pass_on();
            return Some(alloc::vec![worker.into_parts()]);
        }
        worker.leave();
        None
    }

    /// What goes with the place.
    pub(crate) fn into_parts(self) -> (Local, Owner) {
        (self.queue, self.tasks)
    }

    /// Runs one job on a thread that is no worker, as a worker would: what it spawns and wakes is
    /// queued here first, where the workers may take it, and moves to the injector at the end.
    pub(crate) fn run_as_guest(
        shared: &Arc<Shared<T>>,
        parts: (Local, Owner),
        job: Job,
    ) -> (Local, Owner) {
        let index = shared.workers;
        let bell = Bell::new(shared.ground, shared.driver.clone());
        let role = (Role::Worker, Self::wait_as_guest as WaitFn);
        let worker = Self::new(shared.clone(), index, parts, bell, role);
        context::enter(shared.ground, &worker, || {
            worker.execute(job);
            worker.hand_over();
        });
        (worker.queue, worker.tasks)
    }

    /// Moves what is queued here to the injector.
    pub(crate) fn hand_over(&self) {
        let mut jobs = Vec::from_iter(self.queue.take_next());
        jobs.extend(core::iter::from_fn(|| self.queue.pop()));
        if !jobs.is_empty() {
            self.shared.inject_all(jobs);
        }
    }

    /// How a guest waits: it has no place among the sleepers, so it hands over what it has and
    /// parks.
    ///
    /// # Safety
    /// As [`wait_erased`](Self::wait_erased).
    unsafe fn wait_as_guest(
        context: *const Context,
        done: &dyn Completion,
        mode: WaitMode,
    ) -> Waited {
        // SAFETY: by the caller; the worker's frame is below this one.
        let worker = unsafe { &*context.cast::<Self>() };
        let awaited = done.job();
        if awaited != JobId::NONE && awaited == worker.current.get() {
            return Waited::WouldDeadlock;
        }
        worker.hand_over();
        park_until(&worker.shared.ground, done, mode.until)
    }

    /// The last thing a worker does.
    pub(crate) fn leave(&self) {
        let shared = &*self.shared;
        if self.searching.take() {
            let _ = shared.idle.found();
        }
        self.shared.left();
    }
}
