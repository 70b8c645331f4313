//! Looking into tasks: who they are, where they were spawned, what they are doing.
//!
//! A runtime that observes gives each future that is spawned an [`Observed`], which notes what
//! happens to it in an [`Info`] on the heap and in a list of the runtime's. One that does not has
//! neither: a spawn looks at one flag, and polls and wakes are as they are.
//!
//! # States of a task
//! `QUEUED` → `RUNNING` by a poll; `RUNNING` → `WAITING` by its end, or → `QUEUED` if it was woken
//! meanwhile (`WOKEN`); `WAITING` → `QUEUED` by a wake.

use alloc::{collections::BTreeMap, sync::Arc, task::Wake as WakeTask, vec::Vec};
use core::{
    any::TypeId,
    fmt,
    panic::Location,
    task::{Context as TaskContext, Waker},
    time::Duration,
};

use exec_core::{
    Nanos, Threads,
    sync::{
        TryLock,
        atomic::{
            AtomicU8, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::Probe,
};

use crate::{context, counters::Counters, shared::Shared, waiting::with};

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const WOKEN: u8 = 2;
const WAITING: u8 = 3;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It was spawned or woken, and waits for its turn.
    Queued,
    /// It is being polled.
    Running,
    /// It waits for a wake.
    Waiting,
}

/// One task, as [`Runtime::dump`](crate::Runtime::dump) found it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskDump {
    /// Its number: a runtime counts its tasks from 1.
    pub id: u64,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Where it was spawned.
    pub location: &'static Location<'static>,
    /// What it is doing.
    pub state: TaskState,
    /// How often it was polled.
    pub polls: u64,
    /// How often it was woken, those wakes included that came to nothing since it was queued.
    pub wakes: u64,
    /// How long all its polls took together, without the one it is in.
    pub busy: Duration,
    /// How long ago it was spawned.
    pub age: Duration,
}

impl fmt::Display for TaskDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(
            f,
            " at {}: {:?}, {} polls in {:?}, {} wakes, {:?} old",
            self.location, self.state, self.polls, self.busy, self.wakes, self.age
        )
    }
}

/// What is noted of a task.
pub(crate) struct Info {
    pub(crate) id: u64,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) location: &'static Location<'static>,
    born: Nanos,
    state: AtomicU8,
    polls: AtomicU64,
    wakes: AtomicU64,
    busy_ns: AtomicU64,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Info {
    fn change(&self, f: impl Fn(u8) -> u8) {
        let _ = self
            .state
            .fetch_update(AcqRel, Acquire, |state| Some(f(state)));
    }

    fn dump(&self, now: Nanos) -> TaskDump {
        TaskDump {
            id: self.id,
            name: self.name.clone(),
            location: self.location,
            state: match self.state.load(Acquire) {
                QUEUED => TaskState::Queued,
                RUNNING | WOKEN => TaskState::Running,
                _ => TaskState::Waiting,
            },
            // ORDERING: numbers for a reader, here and below.
            polls: self.polls.load(Relaxed),
            wakes: self.wakes.load(Relaxed),
            busy: Duration::from_nanos(self.busy_ns.load(Relaxed)),
            age: now.saturating_since(self.born),
        }
    }
}

/// The list of the tasks that live, where tasks are observed.
pub(crate) struct Observer {
    on: bool,
    next: AtomicU64,
    tasks: TryLock<BTreeMap<u64, Arc<Info>>>,
}

impl Observer {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on,
            next: AtomicU64::new(1),
            tasks: TryLock::new(BTreeMap::new()),
        }
    }

    /// Whether a task that is spawned now is to be observed.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        #[cfg(feature = "tracing")]
        if tracing::level_filters::LevelFilter::current() >= tracing::Level::TRACE {
            return true;
        }
        self.on
    }

    /// Task `id`, while it lives.
    pub(crate) fn task<T: Threads>(&self, id: u64, ground: &T) -> Option<Arc<Info>> {
        with(&self.tasks, ground, |tasks| tasks.get(&id).cloned())
    }

    pub(crate) fn dump<T: Threads>(&self, ground: &T) -> Vec<TaskDump> {
        let tasks: Vec<_> = with(&self.tasks, ground, |tasks| {
            tasks.values().cloned().collect()
        });
        let now = ground.now();
        tasks.iter().map(|task| task.dump(now)).collect()
    }
}

/// What goes with a future that is observed.
pub(crate) struct Observed<T: Threads> {
    info: Arc<Info>,
    observer: Arc<Observer>,
    /// The waker of the last poll, and what was made of it.
    waker: Option<(Waker, Waker)>,
    ground: T,
}

impl<T: Threads> Observed<T> {
    /// For a future of `bytes` bytes, which is spawned now.
    pub(crate) fn new(
        shared: &Shared<T>,
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
        bytes: usize,
    ) -> Self {
        #[cfg(not(feature = "tracing"))]
        let _ = bytes;
        let observer = shared.observer.clone();
        // ORDERING: a number of its own is all that is asked.
        let id = observer.next.fetch_add(1, Relaxed);
        let info = Arc::new(Info {
            id,
            location,
            born: shared.now(),
            state: AtomicU8::new(QUEUED),
            polls: AtomicU64::new(0),
            wakes: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            #[cfg(feature = "tracing")]
            span: tracing::trace_span!(
                target: "tokio::task",
                parent: None,
                "runtime.spawn",
                kind = "task",
                task.name = name.as_deref().unwrap_or_default(),
                task.id = id,
                size.bytes = bytes,
                loc.file = location.file(),
                loc.line = location.line(),
                loc.col = location.column(),
            ),
            name,
        });
        with(&observer.tasks, &shared.ground, |tasks| {
            tasks.insert(id, info.clone())
        });
        Self {
            info,
            observer,
            waker: None,
            ground: shared.ground,
        }
    }

    /// The waker to poll with, for the waker that it is polled with.
    fn waker(waker: &mut Option<(Waker, Waker)>, info: &Arc<Info>, own: &Waker) -> Waker {
        match waker {
            Some((of, made)) if of.will_wake(own) => made.clone(),
            _ => {
                let made = Waker::from(Arc::new(ObservedWaker {
                    info: info.clone(),
                    waker: own.clone(),
                }));
                *waker = Some((own.clone(), made.clone()));
                made
            }
        }
    }
}

/// The counters of the worker that this thread is, of whatever runtime of this ground.
fn counters_here<T: Threads, R>(ground: T, f: impl FnOnce(Option<&Counters>) -> R) -> R {
    let runtime = context::with(ground, |context| {
        let context = context?;
        (context.ground == TypeId::of::<T>()).then_some(context.runtime)
    });
    let Some(runtime) = runtime else {
        return f(None);
    };
    // SAFETY: the context says that it was made for a runtime of this ground, and whoever made it
    // keeps the runtime's memory for as long as the context is this thread's.
    let shared = unsafe { &*runtime.cast::<Shared<T>>() };
    shared.with_worker(|worker| f(worker.map(|worker| worker.counters())))
}

/// Counts that a poll on this thread was out of its budget.
pub(crate) fn count_budget_yield<T: Threads>() {
    counters_here(T::default(), |counters| {
        if let Some(counters) = counters {
            counters.budget_yields.bump();
        }
    });
}

// Nothing in it is ever pinned.
impl<T: Threads> Unpin for Observed<T> {}

impl<T: Threads> Probe for Observed<T> {
    fn poll(&mut self, cx: &mut TaskContext<'_>, poll: &mut dyn FnMut(&mut TaskContext<'_>)) {
        let waker = Self::waker(&mut self.waker, &self.info, cx.waker());
        let info = &*self.info;
        #[cfg(feature = "tracing")]
        let _entered = info.span.enter();
        info.change(|_| RUNNING);
        info.polls.fetch_add(1, Relaxed);
        counters_here(self.ground, |counters| {
            let below = counters.map(|c| c.task.replace(info.id));
            let _end = End {
                info,
                counters: counters.zip(below),
                ground: self.ground,
                since: self.ground.now(),
            };
            poll(&mut TaskContext::from_waker(&waker));
        });
    }
}

/// What follows a poll, a panicking one included.
struct End<'a, T: Threads> {
    info: &'a Info,
    counters: Option<(&'a Counters, u64)>,
    ground: T,
    since: Nanos,
}

impl<T: Threads> Drop for End<'_, T> {
    fn drop(&mut self) {
        let took = self.ground.now().saturating_since(self.since).as_nanos() as u64;
        self.info.busy_ns.fetch_add(took, Relaxed);
        if let Some((counters, below)) = self.counters {
            counters.task.put(below);
            counters.note_poll(took);
        }
        self.info.change(|state| match state {
            WOKEN => QUEUED,
            _ => WAITING,
        });
    }
}

impl<T: Threads> Drop for Observed<T> {
    fn drop(&mut self) {
        let gone = with(&self.observer.tasks, &self.ground, |tasks| {
            tasks.remove(&self.info.id)
        });
        drop(gone);
    }
}

/// A waker that notes its wakes.
struct ObservedWaker {
    info: Arc<Info>,
    waker: Waker,
}

impl ObservedWaker {
    fn note(&self, _op: &'static str) {
        self.info.wakes.fetch_add(1, Relaxed);
        self.info.change(|state| match state {
            RUNNING => WOKEN,
            WAITING => QUEUED,
            other => other,
        });
        #[cfg(feature = "tracing")]
        if let Some(id) = self.info.span.id() {
            tracing::trace!(
                target: "tokio::task::waker",
                op = _op,
                task.id = id.into_u64()
            );
        }
    }
}

impl WakeTask for ObservedWaker {
    fn wake(self: Arc<Self>) {
        self.note("waker.wake");
        self.waker.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.note("waker.wake_by_ref");
        self.waker.wake_by_ref();
    }
}
