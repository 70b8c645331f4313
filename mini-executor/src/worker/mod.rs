//! One worker: what it runs next, how it finds work, how it sleeps.
//!
//! # Protocol
//! A turn is one job (`find.rs`: which). When there is none it rests (`rest.rs`) until there may
//! be one. What its jobs spawn and wake is queued here, and others are called where that is worth
//! their waking. A thread that is no worker can play one for a job (`guest.rs`).
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
    task::TaskRef,
    wait::{Completion, WaitMode, Waited},
};
use flight_recorder::Event;

use crate::{
    balance::Balance,
    context::{self, Block, Context, Role, WaitFn},
    coop::BUDGET,
    counters::Counters,
    driver::Bell,
    owned::Owner,
    pace::Stopwatch,
    padded::Padded,
    phase::CLOSED,
    poll::Patience,
    queue::local::Local,
    shared::{Remote, Shared},
    simulate::Stage,
    watch::{Cover, Watched},
};

mod find;
mod guest;
mod rest;

/// Tasks in the ring for which another worker is woken at once.
const MANY: u32 = 16;

/// A worker's own part; it lives on its thread's stack.
#[repr(C)]
pub(crate) struct Worker<T: Threads> {
    context: Context,
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) index: usize,
    pub(crate) queue: Local,
    tasks: Owner,
    /// Those of its [`Remote`].
    counters: Arc<Padded<Counters>>,
    /// Looks around so far.
    looks: Cell<u32>,
    streak: Cell<u32>,
    searching: Cell<bool>,
    /// Between its own tasks and what comes from outside.
    balance: Balance,
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
    /// It counts its turns, and takes their time.
    stopwatch: Stopwatch,
    pub(crate) cover: Cover,
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
            counters: shared.remotes[index].counters.clone(),
            shared,
            index,
            queue,
            tasks,
            looks: Cell::new(0),
            streak: Cell::new(0),
            searching: Cell::new(false),
            balance: Balance::new(),
            adopted: Cell::new(false),
            dispatching: Cell::new(false),
            current: Cell::new(JobId::NONE),
            suspended: RefCell::new(Vec::new()),
            dice: Cell::new(index as u64 * 2 + 1),
            patience: Patience::new(),
            greedy: Cell::new(false),
            stopwatch: Stopwatch::new(),
            cover: Cover::new(),
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

    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn adopt(&self, task: TaskRef) -> u32 {
        self.adopted.set(true);
        self.tasks.enter(task)
    }

    pub(crate) fn disown(&self, slot: u32) -> Option<TaskRef> {
        self.tasks.strike(slot)
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
            self.cover();
            self.note_wake(self.shared.idle.hint());
        }
        self.recheck();
    }

    /// As [`Shared::wake`], on this worker.
    #[inline]
    pub(crate) fn wake(&self, job: Job, wake: Wake) -> Result<(), Job> {
        if self.shared.phase.get() == CLOSED {
            return Err(job);
        }
        let counters = self.counters();
        counters.scheduled.bump();
        counters.wakes_of_tasks.bump();
        self.place_woken(job, wake);
        Ok(())
    }

    /// Queues a future's next poll.
    #[inline]
    fn place_woken(&self, job: Job, wake: Wake) {
        if self.dispatching.get() {
            // Each in its turn; whether help is needed is seen when all are here.
            self.place_last(job);
        } else if wake == Wake::Woken && self.shared.lifo {
            self.place_next(job);
        } else {
            self.place_last(job);
            if wake == Wake::Woken {
                self.cover();
            }
            self.hint_for_many();
        }
        self.recheck();
    }

    #[inline]
    fn place_next(&self, job: Job) {
        match self.queue.put_next(job) {
            Ok(None) => self.cover(),
            Ok(Some(job)) | Err(job) => {
                self.place_last(job);
                self.hint_for_many();
            }
        }
    }

    /// A job waits behind the one that runs. Should that one go on for long, somebody has to see it.
    #[inline]
    fn cover(&self) {
        if self.cover.is_to_call(&self.shared.watch) {
            self.call_watch();
        }
    }

    /// Wakes a sleeper, if there is one, which becomes the watch.
    #[cold]
    fn call_watch(&self) {
        self.note_wake(self.shared.idle.post());
    }

    /// Tasks that were woken here wait in the ring: calls for help if it is worth another worker's
    /// waking, which takes as long as some hundred short polls. For fewer the watch is enough,
    /// which comes for them if they are still here when it looks.
    #[inline]
    fn hint_for_many(&self) {
        let waiting = self.queue.len();
        if waiting > 1 {
            self.cover();
        }
        if waiting >= MANY && self.remote().pace.is_worth(waiting) {
            self.note_wake(self.shared.idle.hint());
        }
    }

    #[inline]
    pub(crate) fn place_last(&self, job: Job) {
        if let Err(job) = self.queue.push(job) {
            self.overflow(job);
        }
    }

    /// Moves half of the ring to the injector, where this worker comes for it as well: whether that
    /// calls for help is the same question as in [`hint_for_many`](Self::hint_for_many).
    #[cold]
    fn overflow(&self, job: Job) {
        let mut jobs = Vec::new();
        self.queue.spill(|job| jobs.push(job));
        jobs.push(job);
        let injected = self.shared.injector.len() + jobs.len() as u64;
        let waiting = self.queue.len() + u32::try_from(injected).unwrap_or(u32::MAX);
        if self.remote().pace.is_worth(waiting) {
            self.shared.inject_all(jobs);
        } else {
            self.cover();
            self.shared.inject_quietly(jobs);
        }
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
        if self.is_settling() {
            self.settle();
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

    /// The last thing a worker does.
    pub(crate) fn leave(&self) {
        let shared = &*self.shared;
        if self.searching.take() {
            let _ = shared.idle.found();
        }
        self.shared.left();
    }
}
