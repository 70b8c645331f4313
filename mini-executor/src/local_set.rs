//! Tasks that stay on one thread, and so need not be `Send`.
//!
//! # States
//! A set belongs to the thread that made it: it cannot be sent, and nothing else polls its tasks.
//! It is open until it is dropped.
//!
//! # Protocol
//! * A wake on the set's own thread, while that polls the set, puts the task's job into the set's
//!   queue; any other puts it into the inbox and wakes who polls the set.
//! * A cancellation is a wake: whoever asks for it, the future is dropped by its own thread.
//! * Who polls the set leaves a waker, and then looks into the inbox.
//! * Dropping the set cancels each task and runs turns until none lives.
//!
//! # Why nothing leaves the thread
//! A future ends in a job, and jobs are taken out on the set's own thread. The memory of a task may
//! be freed elsewhere, by a last waker, but only after its end: until then the set's list holds a
//! reference. A job that a waker elsewhere is about to put into the inbox keeps its task alive, so
//! the drop of the set waits for it. A set that is leaked keeps its list, and only leaks. The
//! output goes where the handle goes, which is `Send` only if the output is.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use exec_core::{
    Job, Reason, Rejected, Threads, Ticket, Wake,
    task::{Probed, Schedule, TaskRef, spawn_future},
};

use crate::{
    context, coop::BUDGET, observe::Observed, queue::stack::Stack, spawner::Spawner,
    wait::TaskWaiter, waiting::Waiting,
};

mod handle;
pub use handle::LocalHandle;

/// Tasks that are run before the set gives way.
const TURNS: usize = 61;

/// What only the set's own thread touches.
struct Own {
    open: Cell<bool>,
    queue: RefCell<VecDeque<Job>>,
    tasks: RefCell<Vec<Option<TaskRef>>>,
    free: RefCell<Vec<usize>>,
    live: Cell<usize>,
}

/// A value that one thread only touches.
struct OnOneThread<V>(V);

// SAFETY: `Set` lends it out on the set's own thread only, as told there at each use.
unsafe impl<V> Sync for OnOneThread<V> {}
// SAFETY: when the last pointer to it goes, on whatever thread, the set has been dropped, and with
// it every task and every job: nothing is left in it that could not be sent.
unsafe impl<V> Send for OnOneThread<V> {}

/// A set, as its tasks' wakers see it.
struct Set<T: Threads> {
    ground: T,
    /// The runtime that it was made for.
    runtime: Spawner<T>,
    inbox: Stack<Job>,
    waiting: Waiting,
    own: OnOneThread<Own>,
}

impl<T: Threads> Set<T> {
    /// Calls `f` while this thread's context names the set.
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Leave<'a>(&'a Cell<*const ()>, *const ());
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        context::with(self.ground, |context| {
            let this = core::ptr::from_ref(self).cast();
            let _leave = context.map(|c| Leave(&c.local_set, c.local_set.replace(this)));
            f()
        })
    }

    /// Whether this thread polls the set.
    fn is_entered(&self) -> bool {
        let this = core::ptr::from_ref(self).cast();
        context::with(self.ground, |context| {
            context.is_some_and(|c| core::ptr::eq(c.local_set.get(), this))
        })
    }

    /// Own thread: the next job.
    fn next(&self) -> Option<Job> {
        let mut queue = self.own.0.queue.borrow_mut();
        // Newest first comes out of the inbox.
        for job in self.inbox.take().into_iter().rev() {
            queue.push_back(job);
        }
        queue.pop_front()
    }

    /// Own thread: runs a job; nothing of the set is borrowed meanwhile.
    fn run(&self, job: Job) {
        context::with(self.ground, |context| {
            if let Some(context) = context {
                context.budget.set(BUDGET);
            }
        });
        let shared = &*self.runtime.0;
        let result = job.run();
        shared.count_here(|counters, add| add(&counters.ran));
        if let Err(payload) = result {
            shared.outside.panicked.add(1);
            shared.report_panic(payload);
        }
    }
}

/// Where the polls of a local task go.
struct LocalHome<T: Threads>(Arc<Set<T>>);

impl<T: Threads> Clone for LocalHome<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Threads> LocalHome<T> {
    fn queue(&self, job: Job) {
        let set = &*self.0;
        if set.is_entered() {
            // This is the set's own thread: nobody else enters it.
            set.own.0.queue.borrow_mut().push_back(job);
            return;
        }
        if let Err(job) = set.inbox.push(job) {
            unreachable!("invariant: an inbox never closes, yet it refused {job:?}");
        }
        set.waiting.wake_all(&set.ground);
    }
}

impl<T: Threads> Schedule for LocalHome<T> {
    fn schedule(&self, job: Job, _: Wake) {
        self.0.runtime.0.count_here(|counters, add| {
            add(&counters.scheduled);
            add(&counters.wakes_of_tasks);
        });
        self.queue(job);
    }

    /// Only `spawn` calls this, on the set's own thread.
    fn adopt(&self, task: TaskRef) -> usize {
        let own = &self.0.own.0;
        own.live.set(own.live.get() + 1);
        let mut tasks = own.tasks.borrow_mut();
        match own.free.borrow_mut().pop() {
            Some(key) => {
                tasks[key] = Some(task);
                key
            }
            None => {
                tasks.push(Some(task));
                tasks.len() - 1
            }
        }
    }

    /// A task ends in a job, on the set's own thread.
    fn disown(&self, key: usize) -> Option<TaskRef> {
        let own = &self.0.own.0;
        let task = own.tasks.borrow_mut()[key].take();
        own.free.borrow_mut().push(key);
        own.live.set(own.live.get() - 1);
        task
    }
}

/// A future, or an output, that is touched on its own thread only.
struct Unsent<V>(V);

// SAFETY: a cell of `spawn_future` moves neither the future nor the output by itself. The future
// is polled and dropped by jobs, on the set's thread (module head); the output is taken by the
// handle, and `LocalHandle` is `Send` only if the output is.
unsafe impl<V> Send for Unsent<V> {}

impl<F: Future> Future for Unsent<F> {
    type Output = Unsent<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        // SAFETY: the future is not moved out of the pinned struct, which has no `Drop`.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        future.poll(cx).map(Unsent)
    }
}

/// Tasks that stay on the thread that made the set.
///
/// They run while something polls [`run_until`](Self::run_until), on the set's thread: inside
/// [`Runtime::block_on`](crate::Runtime::block_on) of any runtime, with threads of its own or
/// without. Timers, sockets and closures that block are those of the runtime that the set was made
/// for.
///
/// Dropping the set drops every task of it, on the set's thread.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use std::{cell::Cell, rc::Rc};
///
/// let runtime = mini_executor::Runtime::current_thread().unwrap();
/// let set = runtime.local_set();
/// let sum = Rc::new(Cell::new(0));
/// for n in 1..=4 {
///     let sum = sum.clone();
///     set.spawn_local(async move { sum.set(sum.get() + n) }).detach();
/// }
/// runtime.block_on(set.until_empty());
/// assert_eq!(sum.get(), 10);
/// # }
/// ```
pub struct LocalSet<
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    set: LocalSpawner<T>,
}

impl<T: Threads> LocalSet<T> {
    /// A set of this thread, without tasks.
    pub(crate) fn new(runtime: Spawner<T>) -> Self {
        let own = Own {
            open: Cell::new(true),
            queue: RefCell::default(),
            tasks: RefCell::default(),
            free: RefCell::default(),
            live: Cell::new(0),
        };
        let set = Arc::new(Set {
            ground: runtime.0.ground,
            runtime,
            inbox: Stack::new(),
            waiting: Waiting::new(),
            own: OnOneThread(own),
        });
        Self {
            set: LocalSpawner {
                set,
                stays: PhantomData,
            },
        }
    }

    /// Spawns a task that stays on this thread.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> LocalHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.set.spawn_local(future)
    }

    /// As [`spawn_local`](Self::spawn_local), with a name that dumps and traces show. A runtime that
    /// does not [observe](crate::Builder::observe) its tasks forgets it.
    #[track_caller]
    pub fn spawn_local_named<F>(&self, name: &str, future: F) -> LocalHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.set.spawn_local_named(name, future)
    }

    /// A handle that the set's tasks may keep.
    pub fn spawner(&self) -> LocalSpawner<T> {
        self.set.clone()
    }

    /// How many of its tasks have not ended.
    pub fn len(&self) -> usize {
        self.set.set.own.0.live.get()
    }

    /// Whether all of its tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Polls `future`, and the set's tasks meanwhile, until `future` is ready. Tasks that have not
    /// ended then stay in the set.
    ///
    /// # Cancel safety
    /// As that of `future`; the tasks stay in the set.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = core::pin::pin!(future);
        poll_fn(|cx| self.poll_with(cx, |cx| future.as_mut().poll(cx))).await
    }

    /// Polls the set's tasks until all have ended, those included that they spawn meanwhile.
    ///
    /// # Cancel safety
    /// The tasks stay in the set.
    pub async fn until_empty(&self) {
        poll_fn(|cx| {
            self.poll_with(cx, |_| match self.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
        })
        .await;
    }

    fn poll_with<R>(
        &self,
        cx: &mut TaskContext<'_>,
        mut poll: impl FnMut(&mut TaskContext<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let set = &*self.set.set;
        set.waiting.leave(cx.waker(), &set.ground);
        set.enter(|| {
            let mut turns = 0;
            loop {
                if let Poll::Ready(output) = poll(cx) {
                    return Poll::Ready(output);
                }
                let before = turns;
                while turns < TURNS
                    && let Some(job) = set.next()
                {
                    set.run(job);
                    turns += 1;
                }
                if turns == TURNS {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if turns == before {
                    return Poll::Pending;
                }
                // What it waits for may be what these turns have done.
            }
        })
    }
}

impl<T: Threads> Drop for LocalSet<T> {
    fn drop(&mut self) {
        let set = &*self.set.set;
        set.own.0.open.set(false);
        set.enter(|| {
            // A cancellation queues a job and runs nothing, so the list stays as it is.
            for task in set.own.0.tasks.borrow().iter().flatten() {
                task.cancel();
            }
            while set.own.0.live.get() > 0 {
                match set.next() {
                    Some(job) => set.run(job),
                    // A waker elsewhere is about to put a job into the inbox.
                    None => set.ground.yield_now(),
                }
            }
        });
    }
}

impl<T: Threads> fmt::Debug for LocalSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet")
            .field("len", &self.len())
            .finish()
    }
}

/// Spawns tasks into a [`LocalSet`], from its own thread, without keeping it.
pub struct LocalSpawner<
    #[cfg(all(feature = "std", not(loom)))] T: Threads = kernel_bridge::Host,
    #[cfg(not(all(feature = "std", not(loom))))] T: Threads,
> {
    set: Arc<Set<T>>,
    /// It is the right to what only the set's own thread touches.
    stays: PhantomData<*const ()>,
}

#[cfg(all(feature = "std", not(loom)))]
impl LocalSpawner {
    /// That of the set whose task runs on this thread, or whose
    /// [`run_until`](LocalSet::run_until) this thread is in, inside a runtime on the host.
    pub fn current() -> Option<Self> {
        Self::current_on(kernel_bridge::Host)
    }
}

impl<T: Threads> LocalSpawner<T> {
    /// As `LocalSpawner::current`, inside a runtime of this ground.
    pub fn current_on(ground: T) -> Option<Self> {
        context::with(ground, |context| {
            let context = context?;
            let set = context.local_set.get().cast::<Set<T>>();
            if set.is_null() || context.ground != core::any::TypeId::of::<T>() {
                return None;
            }
            // SAFETY: `enter` put the address of a set that an `Arc` holds while it is there; the
            // ground says its type, and this is the set's own thread.
            unsafe { Arc::increment_strong_count(set) };
            Some(Self {
                // SAFETY: the count just added.
                set: unsafe { Arc::from_raw(set) },
                stays: PhantomData,
            })
        })
    }

    /// Spawns a task that stays on this thread.
    ///
    /// # Errors
    /// None here: once the set has been dropped the future is dropped at once, and joining the
    /// handle says [`JoinError::Rejected`](exec_core::JoinError::Rejected).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> LocalHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_at(None, Location::caller(), future)
    }

    /// As [`LocalSet::spawn_local_named`].
    ///
    /// # Errors
    /// As for [`spawn_local`](Self::spawn_local).
    #[track_caller]
    pub fn spawn_local_named<F>(&self, name: &str, future: F) -> LocalHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_at(Some(name), Location::caller(), future)
    }

    fn spawn_at<F>(
        &self,
        name: Option<&str>,
        location: &'static Location<'static>,
        future: F,
    ) -> LocalHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let shared = &*self.set.runtime.0;
        if !shared.observer.is_on() {
            return self.spawn_cell(future);
        }
        let name = name.map(Arc::from);
        let observed = Observed::new(shared, name, location, size_of::<F>());
        self.spawn_cell(Probed::new(future, observed))
    }

    fn spawn_cell<F>(&self, future: F) -> LocalHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let home = LocalHome(self.set.clone());
        let handle = spawn_future(
            Unsent(future),
            home,
            TaskWaiter::<T>::shared(),
            |job, home| {
                if !home.0.own.0.open.get() {
                    return Err(Rejected::new(job, Reason::ShutDown));
                }
                let shared = &*home.0.runtime.0;
                shared.count_here(|counters, add| add(&counters.scheduled));
                home.queue(job);
                Ok(Ticket::shared())
            },
        );
        LocalHandle {
            handle,
            output: PhantomData,
        }
    }
}

impl<T: Threads> Clone for LocalSpawner<T> {
    fn clone(&self) -> Self {
        Self {
            set: self.set.clone(),
            stays: PhantomData,
        }
    }
}

impl<T: Threads> fmt::Debug for LocalSpawner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSpawner").finish_non_exhaustive()
    }
}

/// Spawns a task into the [`LocalSet`] that this thread is in.
///
/// # Panics
/// Outside of a set: in a task that is not of one, and outside of
/// [`run_until`](LocalSet::run_until).
///
/// # Examples
/// ```
/// use std::rc::Rc;
///
/// let runtime = mini_executor::Runtime::new().unwrap();
/// let set = runtime.local_set();
/// let seven = runtime.block_on(set.run_until(async {
///     let seven = Rc::new(7);
///     mini_executor::spawn_local(async move { *seven }).await
/// }));
/// assert_eq!(seven.unwrap(), 7);
/// ```
#[cfg(all(feature = "std", not(loom)))]
#[track_caller]
pub fn spawn_local<F>(future: F) -> LocalHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let Some(spawner) = LocalSpawner::current() else {
        panic!(
            "spawn_local was called outside of a LocalSet; call it in `LocalSet::run_until` or in \
             a task of a set, or use `LocalSet::spawn_local`"
        );
    };
    spawner.spawn_local(future)
}
