//! A thread that sees workers that are stuck in one poll, tells of them, and has others do their
//! work.
//!
//! Every quarter of the threshold it looks how many jobs each worker has finished. One that is in
//! the same job for as long as the threshold is stuck: the hook hears of it, and a spare thread
//! takes its place (`spare.rs`), in its queue, at its timers and in the reactor, until the job
//! ends. A worker that waits in a blocking join runs other tasks, and one in `block_in_place` has
//! its stand-in already; neither is stuck.
//!
//! # States
//! The watchdog looks, or it is asleep, because all workers are.
//!
//! # Why no stuck worker is missed
//! Before it sleeps the watchdog says so, **fences**, and looks whether all workers sleep. A worker
//! that wakes has cleared its bit by a read-modify-write, **fences**, and looks whether the
//! watchdog is asleep. One of the two sees the other.

use alloc::{format, sync::Arc, vec::Vec};
use core::{fmt, panic::Location, task::Waker, time::Duration};

use exec_core::{
    CreateReason, Ground, Job, Nanos, ThreadSpec, Threads,
    sync::{
        TryLock,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Relaxed, SeqCst},
            fence,
        },
    },
    unwind,
};

use crate::{phase::CLOSED, shared::Shared, waiting::with};

/// A worker that has been in one poll, or one closure, for long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stuck {
    /// The worker's number.
    pub worker: usize,
    /// What the task is called, if it has a name.
    pub name: Option<Arc<str>>,
    /// Where the task was spawned; `None` for a closure.
    pub location: Option<&'static Location<'static>>,
    /// How long it has been in there, at the least.
    pub duration: Duration,
    /// Whether it has come out: each stuck worker is told of twice.
    pub over: bool,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worker, duration, ..
        } = self;
        write!(f, "worker {worker} ")?;
        match self.over {
            true => write!(f, "was in one poll for {duration:?}")?,
            false => write!(f, "has been in one poll for {duration:?}")?,
        }
        if let Some(name) = &self.name {
            write!(f, " of task `{name}`")?;
        }
        if let Some(location) = self.location {
            write!(f, ", spawned at {location}")?;
        }
        if !self.over {
            f.write_str("; use `block_in_place` or `unblock` for what blocks")?;
        }
        Ok(())
    }
}

/// What is called when a worker is stuck.
pub(crate) type StuckHook = Arc<dyn Fn(&Stuck) + Send + Sync>;

/// What the workers know of the watchdog.
pub(crate) struct Watchdog {
    threshold: Duration,
    hook: Option<StuckHook>,
    asleep: AtomicBool,
    thread: TryLock<Option<Waker>>,
}

/// What the watchdog knows of a worker.
#[derive(Clone)]
struct Seen {
    finished: u64,
    since: Nanos,
    told: Option<Stuck>,
}

impl Watchdog {
    pub(crate) fn new(threshold: Duration, hook: Option<StuckHook>) -> Self {
        Self {
            threshold: threshold.max(Duration::from_millis(1)),
            hook,
            asleep: AtomicBool::new(false),
            thread: TryLock::new(None),
        }
    }

    /// A worker is awake, or the runtime ends.
    #[inline]
    pub(crate) fn rouse(&self, ground: &impl Ground) {
        // ORDERING: pairs with the fence in `sleep`.
        fence(SeqCst);
        if self.asleep.load(Relaxed) && self.asleep.swap(false, AcqRel) {
            let waker = with(&self.thread, ground, |waker| waker.clone());
            // An unparker of the ground, which runs nothing of others.
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn tell(&self, stuck: &Stuck) {
        match &self.hook {
            Some(hook) => {
                let _ = unwind::catch(|| hook(stuck)).map_err(unwind::discard);
            }
            #[cfg(feature = "std")]
            None => std::eprintln!("mini-executor: {stuck}"),
            #[cfg(not(feature = "std"))]
            None => {}
        }
    }
}

impl<T: Threads> Shared<T> {
    /// Starts the watchdog's thread, if there is to be one. It counts as present already.
    pub(crate) fn start_watchdog(self: &Arc<Self>) -> Result<Option<T::Thread>, CreateReason> {
        if self.watchdog.is_none() {
            return Ok(None);
        }
        let shared = self.clone();
        let entry = Job::new(move || {
            if let Some(watchdog) = &shared.watchdog {
                shared.watch_over(watchdog);
            }
            shared.left();
        });
        let spec = ThreadSpec::new().name(format!("{}-watchdog", self.name));
        match self.ground.create(&spec, entry) {
            Ok(thread) => Ok(Some(thread)),
            Err(refused) => Err(refused.reason),
        }
    }

    fn all_asleep(&self) -> bool {
        let active = self.active();
        self.idle.sleeping() >= active
    }

    /// The watchdog's whole life.
    fn watch_over(self: &Arc<Self>, watchdog: &Watchdog) {
        let ground = self.ground;
        let mut own = Some(ground.unparker());
        with(&watchdog.thread, &ground, |thread| *thread = own.take());
        let mut seen: Vec<Option<Seen>> = alloc::vec![None; self.remotes.len()];
        while self.phase.get() != CLOSED {
            if self.all_asleep() {
                // Nobody is stuck; what was told is over.
                self.look_at_all(watchdog, &mut seen);
                watchdog.asleep.swap(true, AcqRel);
                // ORDERING: pairs with the fence in `rouse`: `asleep` before, the bits after.
                fence(SeqCst);
                if self.all_asleep() && self.phase.get() != CLOSED {
                    ground.park(None);
                }
                watchdog.asleep.swap(false, AcqRel);
            } else {
                let rest = watchdog.threshold / 4;
                ground.park(Some(ground.now().saturating_add(rest)));
            }
            self.look_at_all(watchdog, &mut seen);
        }
        for seen in seen.into_iter().flatten() {
            if seen.told.is_some() && self.seat.is_none() {
                self.release_spare();
            }
        }
    }

    fn look_at_all(self: &Arc<Self>, watchdog: &Watchdog, seen: &mut [Option<Seen>]) {
        let now = self.ground.now();
        for (index, seen) in seen.iter_mut().enumerate().take(self.in_use()) {
            let counters = &self.remotes[index].counters;
            let finished = counters.ran.get();
            let in_poll = counters.running.get() > 0
                && counters.in_place.get() == 0
                && !self.idle.is_asleep(index);
            let same = seen.as_ref().is_some_and(|s| s.finished == finished);
            if in_poll && same {
                let seen = seen.as_mut().expect("invariant: the same as what was seen");
                let duration = now.saturating_since(seen.since);
                if duration >= watchdog.threshold && seen.told.is_none() {
                    let stuck = self.stuck(index, duration);
                    // A guest's thread is not a worker's, and a driver's stays the only one.
                    if index != self.workers && self.seat.is_none() {
                        self.want_spare();
                    }
                    watchdog.tell(&stuck);
                    seen.told = Some(stuck);
                }
                continue;
            }
            if let Some(mut stuck) = seen.take().and_then(|seen| {
                let mut stuck = seen.told?;
                stuck.duration = now.saturating_since(seen.since);
                Some(stuck)
            }) {
                if index != self.workers && self.seat.is_none() {
                    self.release_spare();
                }
                stuck.over = true;
                watchdog.tell(&stuck);
            }
            if in_poll {
                *seen = Some(Seen {
                    finished,
                    since: now,
                    told: None,
                });
            }
        }
    }

    /// What worker `index` is stuck in.
    fn stuck(&self, index: usize, duration: Duration) -> Stuck {
        let id = self.remotes[index].counters.task.get();
        let task = (id != 0)
            .then(|| self.observer.task(id, &self.ground))
            .flatten();
        Stuck {
            worker: index,
            name: task.as_ref().and_then(|task| task.name.clone()),
            location: task.map(|task| task.location),
            duration,
            over: false,
        }
    }
}
