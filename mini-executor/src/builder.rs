//! How a runtime is made.

use alloc::{borrow::Cow, boxed::Box, format, string::String, sync::Arc, vec::Vec};
use core::{fmt, marker::PhantomData, time::Duration};

use exec_core::{
    CreateReason, Job, ThreadSpec, Threads,
    sync::{
        TryLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::AcqRel},
    },
    unwind::Payload,
};
use flight_recorder::Ring;

use crate::{
    blocking::pool::Pool,
    counters::{Counter, Counters},
    driver::{Bell, Driver},
    home::TasksShare,
    idle::Idle,
    latch::Latch,
    observe::Observer,
    owned::Owner,
    pace::Pace,
    padded::Padded,
    phase::Phase,
    poll::{Lookout, SharedPatience},
    queue::{
        inject::Injector,
        local::{self, Local},
    },
    runtime::Runtime,
    seat::{Place, Seat},
    shared::{OUTSIDE_LISTS, Remote, Shared},
    simulate::Sim,
    spare::Spares,
    time::{keeper::Keeper, timers::Timers},
    watch::Watch,
    watchdog::{Stuck, StuckHook, Watchdog},
    worker::Worker,
};

/// The most workers that a runtime can have.
pub const MAX_WORKERS: usize = 1024;

/// Lanes of the injector, beside one for each worker up to this number.
const MOST_LANES: usize = 16;

/// Workers that one thread plays, unless the builder says otherwise.
const SEEDED_WORKERS: usize = 4;

/// Threads that may block, unless the builder says otherwise.
const BLOCKING_THREADS: usize = 64;
/// Closures that may wait for one, unless the builder says otherwise.
const BLOCKING_QUEUE: usize = 1024;

/// Threads that stand in for blocked workers, unless the builder says otherwise.
const SPARE_THREADS: usize = 16;
/// The most of them.
const MOST_SPARES: usize = 512;

/// What is called with the panic of a task that nobody joins.
pub type PanicHandler = Arc<dyn Fn(Payload) + Send + Sync>;

/// Settings for a [`Runtime`].
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// let runtime = mini_executor::Runtime::builder()
///     .workers(2)
///     .name("io")
///     .stack_size(256 * 1024)
///     .build()
///     .unwrap();
/// assert_eq!(runtime.workers(), 2);
/// # }
/// ```
#[derive(Clone)]
pub struct Builder<T: Threads> {
    workers: usize,
    /// Without threads: whoever blocks drives it.
    seated: bool,
    /// One seed makes every choice.
    seed: Option<u64>,
    name: Cow<'static, str>,
    stack_size: Option<usize>,
    lifo: bool,
    blocking_threads: usize,
    blocking_queue: usize,
    spare_threads: usize,
    on_panic: Option<PanicHandler>,
    observe: bool,
    watchdog: Option<Duration>,
    on_stuck: Option<StuckHook>,
    ground: PhantomData<fn() -> T>,
}

/// Why a runtime could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// More workers were asked for than a runtime can have.
    TooManyWorkers {
        /// What was asked for.
        asked: usize,
    },
    /// The ground did not start a worker's thread. Those started before have been joined.
    Thread {
        /// How many had been started.
        started: usize,
        /// How many were asked for.
        asked: usize,
        /// What the ground says.
        reason: CreateReason,
    },
    /// The system gave no descriptor for the reactor; the text is the system's own.
    Reactor(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyWorkers { asked } => write!(
                f,
                "{asked} workers were asked for, and {MAX_WORKERS} is the most; ask for 0 to get \
                 one per CPU"
            ),
            Self::Thread {
                started,
                asked,
                reason,
            } => write!(
                f,
                "could not start worker {} of {asked}: {reason}; ask for fewer workers, or raise \
                 the limit of threads",
                started + 1
            ),
            Self::Reactor(why) => write!(
                f,
                "could not make the reactor: {why}; close files, or raise the limit of descriptors"
            ),
        }
    }
}

impl core::error::Error for BuildError {}

#[cfg(feature = "net")]
fn driver() -> Result<Driver, BuildError> {
    let reactor = crate::io::reactor::Reactor::new()
        .map_err(|error| BuildError::Reactor(alloc::string::ToString::to_string(&error)))?;
    Ok(Driver {
        reactor: Arc::new(reactor),
    })
}

#[cfg(not(feature = "net"))]
fn driver() -> Result<Driver, BuildError> {
    Ok(Driver {})
}

impl<T: Threads> Default for Builder<T> {
    fn default() -> Self {
        Self {
            workers: 0,
            seated: false,
            seed: None,
            name: Cow::Borrowed("mini"),
            stack_size: None,
            lifo: true,
            blocking_threads: BLOCKING_THREADS,
            blocking_queue: BLOCKING_QUEUE,
            spare_threads: SPARE_THREADS,
            on_panic: None,
            observe: false,
            watchdog: None,
            on_stuck: None,
            ground: PhantomData,
        }
    }
}

impl<T: Threads> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("lifo", &self.lifo)
            .finish_non_exhaustive()
    }
}

impl<T: Threads> Builder<T> {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of workers: 0, the default, is one per CPU; at most [`MAX_WORKERS`].
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// As [`workers`](Self::workers), by the name that other runtimes have for it.
    #[must_use]
    pub fn multi_thread(mut self, workers: usize) -> Self {
        self.seated = false;
        self.seed = None;
        self.workers(workers)
    }

    /// Makes a runtime without threads of its own: tasks run on the thread that is in
    /// [`block_on`](Runtime::block_on), or that shuts it down, and only meanwhile. Threads that
    /// may block are started as in any runtime, by [`unblock`](Runtime::unblock).
    ///
    /// When several threads are in `block_on`, one of them drives the tasks, and another one takes
    /// over when it leaves. A thread that blocks for a task in another way (`JoinHandle::join`
    /// outside of `block_on`, a scope) does not drive, and waits until somebody does.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(feature = "std")] {
    /// let runtime = mini_executor::Runtime::builder().current_thread().build().unwrap();
    /// let here = std::thread::current().id();
    /// let there = runtime.block_on(runtime.spawn(async { std::thread::current().id() }));
    /// assert_eq!(there.unwrap(), here);
    /// # }
    /// ```
    #[must_use]
    pub fn current_thread(mut self) -> Self {
        self.seated = true;
        self.workers = 1;
        self
    }

    /// Makes a runtime in which `seed` makes every choice: one thread, the one in
    /// [`block_on`](Runtime::block_on), plays all workers (4 unless [`workers`](Self::workers) says
    /// otherwise), and time is a number that moves on when every task waits.
    ///
    /// The same seed gives the same order of polls, steals and wakes, as long as the tasks depend
    /// on nothing else: no threads or sockets, no other clock or random numbers, no map whose order
    /// is random. Closures that block run on the same thread. When every task waits, and no timer
    /// is set, `block_on` panics and tells so. There is no watchdog. The function `explore`
    /// runs a test for many seeds.
    ///
    /// # Examples
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use core::time::Duration;
    ///
    /// let runtime = mini_executor::Runtime::builder().seeded(42).build().unwrap();
    /// // A day goes by in no time.
    /// runtime.block_on(runtime.sleep(Duration::from_secs(86_400)));
    /// # }
    /// ```
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seated = true;
        self.seed = Some(seed);
        self
    }

    /// Sets the runtime's name; worker `n` is the thread `name-n`.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the bytes of stack of each worker; the default is the ground's.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets whether a task that is woken or spawned by another runs next, while what it needs is
    /// in the cache. The default is yes; without it, tasks run in the order of their wakes.
    #[must_use]
    pub fn lifo_slot(mut self, yes: bool) -> Self {
        self.lifo = yes;
        self
    }

    /// Sets how many threads may run closures that block (0 counts as 1; at most [`MAX_WORKERS`]),
    /// and how many such closures may wait for a thread. Beyond that
    /// [`unblock`](Runtime::unblock) waits for room. The default is 64 and 1,024; threads are only
    /// started when all others are busy.
    #[must_use]
    pub fn blocking(mut self, threads: usize, queued: usize) -> Self {
        self.blocking_threads = threads.clamp(1, MAX_WORKERS);
        self.blocking_queue = queued;
        self
    }

    /// How many threads may stand in at once for workers that block, in
    /// [`block_in_place`](crate::Spawner::block_in_place) or in a job that the [watchdog](Self::watchdog)
    /// found stuck: 16 by default, 512 at the most. They are started when they are needed, and
    /// kept. While more workers block than that, fewer threads than [workers](Self::workers) run tasks.
    #[must_use]
    pub fn spare_threads(mut self, most: usize) -> Self {
        self.spare_threads = most.min(MOST_SPARES);
        self
    }

    /// Sets what is called with the panic of a task that nobody joins. The default prints its
    /// text to standard error, where there is one.
    #[must_use]
    pub fn on_panic(mut self, handler: impl Fn(Payload) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Arc::new(handler));
        self
    }

    /// Starts one more thread, which sees when a worker is stuck in one poll for `threshold` (1 ms
    /// at the least): it tells so (to standard error, or to what [`on_stuck`](Self::on_stuck)
    /// sets), and a spare thread takes the worker's place in its queue, at its timers and in the
    /// reactor until the poll ends. It sleeps while all workers do.
    ///
    /// Without it other workers still take over what waits behind one that is held up, but when
    /// all are, nobody does. A runtime of one thread only tells.
    #[must_use]
    pub fn watchdog(mut self, threshold: Duration) -> Self {
        self.watchdog = Some(threshold);
        self
    }

    /// Sets whether tasks are observed: [`Runtime::dump`] lists them then, and
    /// [`Runtime::metrics`] has the longest poll. It costs each spawn an allocation and a place in
    /// a list, and each poll two looks at the clock. The default is no; a watchdog observes.
    #[must_use]
    pub fn observe(mut self, yes: bool) -> Self {
        self.observe = yes;
        self
    }

    /// Sets what the [`watchdog`](Self::watchdog) calls when a worker is stuck, and again when it
    /// no longer is. It runs on the watchdog's thread; its panic is thrown away.
    #[must_use]
    pub fn on_stuck(mut self, hook: impl Fn(&Stuck) + Send + Sync + 'static) -> Self {
        self.on_stuck = Some(Arc::new(hook));
        self
    }

    /// Makes the runtime and starts its workers.
    ///
    /// # Errors
    /// [`BuildError`]; nothing is left running then.
    pub fn build(self) -> Result<Runtime<T>, BuildError> {
        let ground = T::default();
        let asked = match self.workers {
            0 if self.seed.is_some() => SEEDED_WORKERS,
            _ if self.seated && self.seed.is_none() => 1,
            0 => ground.parallelism().clamp(1, MAX_WORKERS),
            n => n,
        };
        if asked > MAX_WORKERS {
            return Err(BuildError::TooManyWorkers { asked });
        }
        let driver = driver()?;
        let (mut shared, mut owners) = self.shared(ground, driver, asked);
        if self.seated {
            let parts = core::mem::take(&mut owners);
            let bell = Bell::new(ground, shared.driver.clone());
            // SAFETY: once, before anybody sits.
            unsafe { shared.idle.register(0, bell.clone().into()) };
            shared.seat = Some(Seat {
                place: Place::new(parts),
                bell,
            });
        }
        let shared = Arc::new(shared);
        let mut threads = Vec::with_capacity(asked);
        for (index, (queue, tasks)) in owners.into_iter().enumerate() {
            let mut spec = ThreadSpec::new().name(format!("{}-{index}", self.name));
            if let Some(bytes) = self.stack_size {
                spec = spec.stack_size(bytes);
            }
            let its_share = shared.clone();
            let entry = Job::new(move || Worker::run(its_share, index, queue, tasks));
            match ground.create(&spec, entry) {
                Ok(thread) => threads.push(thread),
                Err(refused) => {
                    let started = threads.len();
                    let watchdog = usize::from(shared.watchdog.is_some());
                    Self::undo(&shared, threads, asked + watchdog - started);
                    return Err(BuildError::Thread {
                        started,
                        asked: asked + watchdog,
                        reason: refused.reason,
                    });
                }
            }
        }
        match shared.start_watchdog() {
            Ok(thread) => threads.extend(thread),
            Err(reason) => {
                let started = threads.len();
                Self::undo(&shared, threads, 1);
                return Err(BuildError::Thread {
                    started,
                    asked: started + 1,
                    reason,
                });
            }
        }
        shared.threads.try_with(|kept| *kept = threads);
        shared.take_share();
        Ok(Runtime::of(shared))
    }

    /// Ends and joins the workers of a runtime that `missing` workers never joined.
    fn undo(shared: &Arc<Shared<T>>, threads: Vec<T::Thread>, missing: usize) {
        // ORDERING: as in `Worker::leave`.
        shared.present.fetch_sub(missing, AcqRel);
        shared.close_now();
        for thread in threads {
            let _ = shared.ground.join(thread);
        }
    }

    fn shared(
        &self,
        ground: T,
        driver: Driver,
        workers: usize,
    ) -> (Shared<T>, Vec<(Local, Owner)>) {
        let mut owners = Vec::with_capacity(workers);
        let spares = match self.seated {
            true => 0,
            false => self.spare_threads,
        };
        let remotes: Box<[Remote]> = (0..=workers + spares)
            .map(|_| {
                let (queue, stealer) = local::ring();
                let (owner, tasks) = Owner::new();
                owners.push((queue, owner));
                Remote {
                    queue: stealer,
                    timers: Padded(Timers::new()),
                    pace: Pace::new(),
                    tasks,
                    counters: Arc::new(Padded(Counters::new())),
                    ring: Ring::new(),
                }
            })
            .collect();
        let mut places = owners.split_off(workers).into_iter();
        let guest = places.next();
        let spare_parts = places
            .enumerate()
            .map(|(at, (queue, tasks))| (workers + 1 + at, queue, tasks))
            .rev()
            .collect();
        let watchdog = self
            .watchdog
            .filter(|_| self.seed.is_none())
            .map(|threshold| Watchdog::new(threshold, self.on_stuck.clone()));
        let shared = Shared {
            ground,
            name: Arc::from(String::from(self.name.clone())),
            lifo: self.lifo,
            on_panic: self.on_panic.clone(),
            injector: Injector::new(match self.seed {
                None => (2 * workers).min(MOST_LANES),
                Some(_) => 1,
            }),
            idle: Idle::with_spares(workers, 1 + spares),
            driver: Arc::new(driver),
            lookout: Padded(Lookout::new(&ground)),
            watch: Padded(Watch::new()),
            keeper: Padded(Keeper::new()),
            patience: SharedPatience::new(),
            workers,
            remotes,
            in_use: Padded(AtomicUsize::new(workers + 1)),
            spares_most: spares,
            spares: Spares::new(spare_parts),
            stack_size: self.stack_size,
            seat: None,
            guest: TryLock::new(guest),
            callers: Padded(AtomicUsize::new(0)),
            guest_runs: AtomicBool::new(false),
            outside_tasks: (0..OUTSIDE_LISTS)
                .map(|_| {
                    let (owner, shard) = Owner::new();
                    (Padded(TryLock::new(owner)), shard)
                })
                .collect(),
            outside: Padded(Counters::new()),
            blocking: Pool::new(self.blocking_threads, self.blocking_queue),
            phase: Phase::new(),
            waiting: Padded(Counter::new()),
            all_left: Latch::new(),
            present: Padded(AtomicUsize::new(
                if self.seated { 1 } else { workers } + usize::from(watchdog.is_some()),
            )),
            sim: self.seed.map(Sim::new),
            forks: crate::wait::watch_forks(),
            watchdog,
            recording: AtomicBool::new(false),
            observer: Arc::new(Observer::new(self.observe || self.watchdog.is_some())),
            threads: TryLock::new(Vec::new()),
            share: TasksShare::new(),
        };
        (shared, owners)
    }
}
