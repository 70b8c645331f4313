//! Scopes: jobs that borrow from the stack of the thread that waits for them.
//!
//! # States
//! A scope has a queue of its own jobs, and counts [`shares`](crate::shares): one for the owner,
//! one for each job that has not ended. Beside each queued job a *token* goes to the pool: whoever runs the token
//! runs one job of the queue, or none if the owner was faster. What the owner of a [`Scope`]
//! spawns on its own worker goes the short way of [`direct`].
//!
//! # Protocol
//! `spawn` counts, queues the job, and hands a token to the pool. The owner, at the end of its
//! body, runs what its deque has got since the scope began (tokens of this scope mostly, and
//! whatever else the same code has spawned), then jobs from the queue, then spins and parks until
//! the count is zero, or until a job of the scope has spawned another.
//!
//! # Why nothing is lost
//! The owner looks at the queue and at the count under the queue's lock before it leaves its
//! thread there to be unparked; a spawn and the last end take the thread out under the same lock.
//! The jobs reach borrowed data only before they are counted off. Tokens may outlive the scope:
//! they own the queue, which is empty by then, and nothing else. A token that is dropped by a
//! stop wakes the owner, which runs the job itself.

use std::{cell::Cell, collections::VecDeque, fmt, marker::PhantomData};

use exec_core::{
    sync::{Arc, Mutex, thread},
    unwind::{self, AbortOnDrop, Payload},
};

mod broadcast;
mod direct;

use crate::{
    global, install,
    job::QueuedJob,
    registry::Registry,
    shares::{Shares, Stock},
    worker::Worker,
};

/// In which order a scope's queue gives its jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

struct Queue {
    jobs: VecDeque<QueuedJob>,
    /// The owner, while it parks.
    owner: Option<thread::Thread>,
}

/// What outlives the scope: tokens point here.
struct Core {
    order: Order,
    queue: Mutex<Queue>,
    shares: Shares,
    panic: Mutex<Option<Payload>>,
}

impl Core {
    fn new(order: Order) -> Self {
        Self {
            order,
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                owner: None,
            }),
            shares: Shares::new(),
            panic: Mutex::new(None),
        }
    }

    /// Queues a job that is counted.
    fn put(&self, job: QueuedJob) {
        let owner = {
            let mut queue = self.queue.lock();
            queue.jobs.push_back(job);
            queue.owner.take()
        };
        if let Some(owner) = owner {
            owner.unpark();
        }
    }

    fn take(&self) -> Option<QueuedJob> {
        let mut queue = self.queue.lock();
        match self.order {
            Order::NewestFirst => queue.jobs.pop_back(),
            Order::OldestFirst => queue.jobs.pop_front(),
        }
    }

    /// Runs one job, if one is left.
    fn run_one(&self) {
        if let Some(job) = self.take() {
            // Scope jobs keep their own panics, so there is nothing to report.
            let _ = job.run().map_err(unwind::discard);
        }
    }

    fn keep_panic(&self, payload: Payload) {
        let late = {
            let mut first = self.panic.lock();
            if first.is_none() {
                *first = Some(payload);
                None
            } else {
                Some(payload)
            }
        };
        if let Some(late) = late {
            unwind::discard(late);
        }
    }

    /// Counts one off; the last one wakes the owner.
    fn end_one(&self) {
        if self.shares.end_one() {
            self.wake_owner();
        }
    }

    fn wake_owner(&self) {
        let owner = self.queue.lock().owner.take();
        if let Some(owner) = owner {
            owner.unpark();
        }
    }

    fn is_done(&self) -> bool {
        self.shares.is_done()
    }

    /// Parks the owner unless there is something to do.
    fn park(&self) {
        {
            let mut queue = self.queue.lock();
            if !queue.jobs.is_empty() || self.is_done() {
                return;
            }
            queue.owner = Some(thread::current());
        }
        thread::park();
        self.queue.lock().owner = None;
    }

    /// Parks an owner that is no worker until all is done, or a token was dropped.
    fn park_outside(&self, registry: &Registry) {
        {
            let mut queue = self.queue.lock();
            if self.is_done() || (registry.is_stopped() && !queue.jobs.is_empty()) {
                return;
            }
            queue.owner = Some(thread::current());
        }
        thread::park();
        self.queue.lock().owner = None;
    }
}

/// The right to run one job of a scope.
struct Token {
    core: Arc<Core>,
    ran: bool,
}

impl Token {
    fn run(mut self) {
        self.ran = true;
        self.core.run_one();
    }
}

impl Drop for Token {
    /// Dropped unrun, by a stop: the owner has to see to the job.
    fn drop(&mut self) {
        if !self.ran {
            self.core.wake_owner();
        }
    }
}

/// Where jobs that borrow are spawned; newest first. See [`scope`].
pub struct Scope<'scope> {
    inner: Inner<'scope>,
}

/// As [`Scope`], oldest first. See [`scope_fifo`].
pub struct ScopeFifo<'scope> {
    inner: Inner<'scope>,
}

struct Inner<'scope> {
    core: Arc<Core>,
    registry: Arc<Registry>,
    /// The owner's index, if it is a worker here.
    owner: Option<usize>,
    /// Shares that the owner has in stock; its thread's alone.
    stock: Stock,
    /// Where the owner's deque stood when the scope began, if it is a worker here.
    mark: usize,
    /// Invariant in `'scope`: a shorter or longer one would be unsound.
    marker: PhantomData<fn(&'scope ()) -> &'scope ()>,
}

/// A pointer to the scope on its owner's stack, for its jobs.
struct ScopeRef<S>(*const S);

// SAFETY: a scope is only ever used by shared reference, and all it holds is `Sync`.
unsafe impl<S: Sync> Send for ScopeRef<S> {}

impl<S> ScopeRef<S> {
    /// # Safety
    /// The scope has not ended.
    unsafe fn get(&self) -> &S {
        // SAFETY: by the caller.
        unsafe { &*self.0 }
    }
}

impl<'scope> Inner<'scope> {
    fn new(registry: &Arc<Registry>, order: Order) -> Self {
        let owner = Worker::current_of(registry);
        Self {
            core: Arc::new(Core::new(order)),
            registry: registry.clone(),
            owner: owner.map(Worker::index),
            stock: Stock::new(),
            mark: owner.map_or(0, Worker::mark),
            marker: PhantomData,
        }
    }

    /// The owner, if it is the one that asks.
    #[inline]
    fn owner_here(&self) -> Option<&Worker> {
        Worker::current_of(&self.registry).filter(|worker| Some(worker.index()) == self.owner)
    }

    /// A job that ends with a share of the scope; it has been counted.
    fn job<S: Sync, F>(&self, scope: &S, body: F) -> QueuedJob
    where
        F: FnOnce(&S) + Send + 'scope,
    {
        let scope = ScopeRef(std::ptr::from_ref(scope));
        let core = ScopeRef(Arc::as_ptr(&self.core));
        let job = move || {
            let (scope, core) = (scope, core);
            // SAFETY: the owner waits until this job is counted off.
            let scope = unsafe { scope.get() };
            // SAFETY: the owner holds it, and so does whoever runs this job.
            let core = unsafe { core.get() };
            if let Err(payload) = unwind::catch(|| body(scope)) {
                core.keep_panic(payload);
            }
            core.end_one();
        };
        // SAFETY: what the job borrows outlives `'scope`, and the owner does not leave the scope
        // before the job has been run: the queue is emptied by running.
        unsafe { QueuedJob::new_borrowed(job) }
    }

    /// Queues a job and hands a token for it to the pool.
    fn spawn<S: Sync, F>(&self, scope: &S, body: F)
    where
        F: FnOnce(&S) + Send + 'scope,
    {
        self.core.shares.add();
        self.core.put(self.job(scope, body));
        let token = Token {
            core: self.core.clone(),
            ran: false,
        };
        // A refusal leaves the job in the queue, for the owner.
        if let Err((token, _)) = self
            .registry
            .enqueue(|| QueuedJob::new(move || token.run()))
        {
            drop(token);
        }
    }

    /// Waits for every job, in the way of the thread that it is.
    fn wait(&self) {
        let (core, registry) = (&*self.core, &*self.registry);
        if let Some(worker) = self.owner_here() {
            // Only when it has found no job it asks for the end, which costs it its stock.
            let asks = Cell::new(true);
            let next = || {
                let job = worker.pop_since(self.mark).or_else(|| core.take());
                asks.set(job.is_none());
                job
            };
            let done = || {
                asks.replace(true) && {
                    self.stock.return_to(&core.shares);
                    core.is_done()
                }
            };
            return worker.wait_until(done, next, || core.park());
        }
        if let Some(worker) = Worker::current() {
            return worker.wait_elsewhere(|| core.is_done(), || core.park_outside(registry));
        }
        while !core.is_done() {
            // Jobs belong on workers, as long as there are any.
            if registry.is_stopped() {
                core.run_one();
            }
            core.park_outside(registry);
        }
    }

    /// Runs the body, waits, and goes on with a panic.
    fn complete<R>(&self, body: impl FnOnce() -> R) -> R {
        let result = unwind::catch(body);
        // From here to the end of the wait nothing may unwind: jobs borrow from frames above.
        let abort = AbortOnDrop("waiting for the jobs of a scope failed");
        self.core.end_one();
        self.wait();
        std::mem::forget(abort);
        let value = match result {
            Ok(value) => value,
            Err(payload) => unwind::resume(payload),
        };
        let panic = self.core.panic.lock().take();
        if let Some(payload) = panic {
            unwind::resume(payload);
        }
        value
    }
}

impl<'scope> Scope<'scope> {
    /// Spawns a job that may borrow whatever outlives the scope.
    ///
    /// # Panics
    /// A panic of the job is kept and goes on at the end of the scope; the first one wins.
    pub fn spawn<F>(&self, body: F)
    where
        F: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        match self.inner.owner_here() {
            Some(worker) => self.spawn_direct(worker, body),
            None => self.inner.spawn(self, body),
        }
    }
}

impl<'scope> ScopeFifo<'scope> {
    /// Spawns a job that may borrow whatever outlives the scope.
    ///
    /// # Panics
    /// A panic of the job is kept and goes on at the end of the scope; the first one wins.
    pub fn spawn_fifo<F>(&self, body: F)
    where
        F: FnOnce(&ScopeFifo<'scope>) + Send + 'scope,
    {
        self.inner.spawn(self, body);
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f, "Scope")
    }
}

impl fmt::Debug for ScopeFifo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f, "ScopeFifo")
    }
}

impl Inner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let pending = self.core.shares.count();
        f.debug_struct(name)
            .field("pending", &pending.saturating_sub(self.stock.count()))
            .finish_non_exhaustive()
    }
}

/// Runs `body` on the current thread with a scope whose jobs run in `registry`.
pub(crate) fn in_place<'scope, R>(
    registry: &Arc<Registry>,
    body: impl FnOnce(&Scope<'scope>) -> R,
) -> R {
    let scope = Scope {
        inner: Inner::new(registry, Order::NewestFirst),
    };
    scope.inner.complete(|| body(&scope))
}

/// As [`in_place`], oldest first.
pub(crate) fn in_place_fifo<'scope, R>(
    registry: &Arc<Registry>,
    body: impl FnOnce(&ScopeFifo<'scope>) -> R,
) -> R {
    let scope = ScopeFifo {
        inner: Inner::new(registry, Order::OldestFirst),
    };
    scope.inner.complete(|| body(&scope))
}

/// Runs `body` on a worker of `registry` with a scope.
pub(crate) fn within<'scope, R: Send>(
    registry: &Arc<Registry>,
    body: impl FnOnce(&Scope<'scope>) -> R + Send,
) -> R {
    install::install(registry, |_| in_place(registry, body))
}

/// As [`within`], oldest first.
pub(crate) fn within_fifo<'scope, R: Send>(
    registry: &Arc<Registry>,
    body: impl FnOnce(&ScopeFifo<'scope>) -> R + Send,
) -> R {
    install::install(registry, |_| in_place_fifo(registry, body))
}

/// Runs `body` with a scope whose jobs may borrow from this stack, and returns when all of them
/// have ended. On a worker its own pool is used, elsewhere the global one.
///
/// # Panics
/// With the panic of `body`, else with the first panic of a job, after all have ended.
///
/// # Blocking
/// Until every job of the scope has ended.
///
/// # Examples
/// ```
/// let mut squares = [1, 2, 3];
/// pool_workstealing::scope(|s| {
///     for n in &mut squares {
///         s.spawn(move |_| *n *= *n);
///     }
/// });
/// assert_eq!(squares, [1, 4, 9]);
/// ```
pub fn scope<'scope, R: Send>(body: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
    within(&global::registry_here(), body)
}

/// As [`scope`], and queued jobs are run oldest first.
///
/// # Panics
/// As [`scope`].
///
/// # Blocking
/// As [`scope`].
pub fn scope_fifo<'scope, R: Send>(body: impl FnOnce(&ScopeFifo<'scope>) -> R + Send) -> R {
    within_fifo(&global::registry_here(), body)
}

/// As [`scope`], and `body` runs on the current thread even when that is not a worker.
///
/// # Panics
/// As [`scope`].
///
/// # Blocking
/// As [`scope`].
pub fn in_place_scope<'scope, R>(body: impl FnOnce(&Scope<'scope>) -> R) -> R {
    in_place(&global::registry_here(), body)
}

/// As [`in_place_scope`], and queued jobs are run oldest first.
///
/// # Panics
/// As [`scope`].
///
/// # Blocking
/// As [`scope`].
pub fn in_place_scope_fifo<'scope, R>(body: impl FnOnce(&ScopeFifo<'scope>) -> R) -> R {
    in_place_fifo(&global::registry_here(), body)
}
