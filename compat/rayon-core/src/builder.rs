//! Building a pool: what can be chosen, and in which order the threads are started.
//!
//! # Protocol
//! 1. The pool is made with its seats; the seats come here instead of being started.
//! 2. The home is made, so that each thread can know it.
//! 3. For each seat in order: the name closure is called, then the spawn handler.
//!
//! A failure, or a panic of either closure, drops the home and the seats that are left: the
//! threads that run already leave by themselves, and the builder doesn't wait for them.

use std::{any::Any, env, fmt, io, sync::mpsc, thread};

use exec_core::{
    sync::Arc,
    unwind::{AbortOnDrop, Payload},
};
use pool_workstealing::{self as ws, WaitPolicy, Worker};

use crate::{
    ThreadBuilder, ThreadPool, ThreadPoolBuildError,
    error::Kind,
    max_num_threads,
    registry::{self, Home},
    thread_builder::{CustomSpawn, DefaultSpawn, ThreadSpawn},
};

type PanicHandler = dyn Fn(Payload) + Send + Sync;
type IndexHandler = dyn Fn(usize) + Send + Sync;

/// Chooses how a [`ThreadPool`], or the global pool, is to be.
///
/// # Examples
/// ```
/// # use rayon_core as rayon;
/// # fn main() -> Result<(), rayon::ThreadPoolBuildError> {
/// let pool = rayon::ThreadPoolBuilder::new()
///     .num_threads(2)
///     .thread_name(|index| format!("crunch-{index}"))
///     .build()?;
/// assert_eq!(pool.install(rayon::current_num_threads), 2);
/// # Ok(()) }
/// ```
pub struct ThreadPoolBuilder<S = DefaultSpawn> {
    options: Options,
    spawn_handler: S,
}

/// All but the way to start threads.
#[derive(Default)]
struct Options {
    num_threads: usize,
    use_current_thread: bool,
    thread_name: Option<Box<dyn FnMut(usize) -> String>>,
    stack_size: Option<usize>,
    panic_handler: Option<Box<PanicHandler>>,
    start_handler: Option<Box<IndexHandler>>,
    exit_handler: Option<Box<IndexHandler>>,
    breadth_first: bool,
    wait_policy: WaitPolicy,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        Self {
            options: Options::default(),
            spawn_handler: DefaultSpawn,
        }
    }
}

impl ThreadPoolBuilder {
    /// One worker per CPU, with the standard library's stack and no names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds a pool of scoped threads, runs `with_pool` with it, and returns its result.
    ///
    /// Each thread calls `wrapper`, which has to call [`ThreadBuilder::run`]: what it borrows or
    /// sets up around that call lasts as long as the worker.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// # Blocking
    /// Until `with_pool` has returned, all that was spawned has ended, and so have the threads.
    ///
    /// # Examples
    /// ```
    /// # use rayon_core as rayon;
    /// # fn main() -> Result<(), rayon::ThreadPoolBuildError> {
    /// let greeting = String::from("hello");
    /// let length = rayon::ThreadPoolBuilder::new().num_threads(2).build_scoped(
    ///     |thread| {
    ///         assert_eq!(greeting, "hello");
    ///         thread.run();
    ///     },
    ///     |pool| pool.install(|| greeting.len()),
    /// )?;
    /// assert_eq!(length, 5);
    /// # Ok(()) }
    /// ```
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> Result<R, ThreadPoolBuildError>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        let wrapper = &wrapper;
        thread::scope(|scope| {
            let pool = self
                .spawn_handler(|thread| {
                    let mut builder = thread::Builder::new();
                    if let Some(name) = thread.name() {
                        builder = builder.name(name.to_owned());
                    }
                    if let Some(bytes) = thread.stack_size() {
                        builder = builder.stack_size(bytes);
                    }
                    builder.spawn_scoped(scope, || wrapper(thread)).map(drop)
                })
                .build()?;
            Ok(with_pool(&pool))
        })
    }
}

#[allow(private_bounds)]
impl<S: ThreadSpawn> ThreadPoolBuilder<S> {
    /// Starts the pool.
    ///
    /// # Errors
    /// When a thread can't be started, or the current one is to be used and belongs to a pool.
    ///
    /// # Panics
    /// With a panic of the closure for names or of the spawn handler.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        self.build_home().map(ThreadPool::of)
    }

    /// Starts the pool that is used outside of any other.
    ///
    /// Without this call it is started at its first use, with the defaults.
    ///
    /// # Errors
    /// As [`build`](Self::build), and when the global pool was started before.
    ///
    /// # Blocking
    /// Until its threads run.
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        registry::build_global(self)
    }

    /// Starts the pool, for whoever will hold it.
    pub(crate) fn build_home(self) -> Result<Arc<Home>, ThreadPoolBuildError> {
        let Self {
            mut options,
            mut spawn_handler,
        } = self;
        let threads = options.threads();
        let stack_size = options.stack_size;
        let use_current = options.use_current_thread;
        if use_current && Worker::with_current(|worker| worker.is_some()) {
            return Err(Kind::AlreadyWorker.into());
        }
        let mut thread_name = options.thread_name.take();
        let fifo = options.breadth_first;
        let (pool, seats) = options.pool(threads)?;
        let home = Home::new(pool, fifo);
        for seat in seats {
            let thread = ThreadBuilder {
                name: thread_name.as_mut().map(|name| name(seat.index())),
                stack_size,
                home: Arc::downgrade(&home),
                begun: home.begun().clone(),
                seat,
            };
            if use_current && thread.index() == 0 {
                thread.enter();
            } else {
                spawn_handler.spawn(thread).map_err(Kind::Thread)?;
            }
        }
        Ok(home)
    }
}

impl<S> ThreadPoolBuilder<S> {
    /// Starts the threads in a way of one's own: `spawn` gets each thread's [`ThreadBuilder`] in
    /// turn and calls its [`run`](ThreadBuilder::run) on a new thread.
    ///
    /// It is called while the pool is built and not later, so it may borrow.
    ///
    /// # Examples
    /// ```
    /// # use rayon_core as rayon;
    /// # fn main() -> Result<(), rayon::ThreadPoolBuildError> {
    /// let mut threads = Vec::new();
    /// let pool = rayon::ThreadPoolBuilder::new()
    ///     .num_threads(2)
    ///     .spawn_handler(|thread| {
    ///         threads.push(std::thread::spawn(|| thread.run()));
    ///         Ok(())
    ///     })
    ///     .build()?;
    /// drop(pool);
    /// for thread in threads {
    ///     thread.join().expect("a worker does not panic");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn spawn_handler<F>(self, spawn: F) -> ThreadPoolBuilder<CustomSpawn<F>>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        ThreadPoolBuilder {
            options: self.options,
            spawn_handler: CustomSpawn(spawn),
        }
    }

    /// The name of each thread by its index. Without it the threads have none.
    pub fn thread_name<F>(mut self, closure: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.options.thread_name = Some(Box::new(closure));
        self
    }

    /// How many workers; at most [`max_num_threads`](crate::max_num_threads()).
    ///
    /// 0, the default, takes the number in the environment variable `RAYON_NUM_THREADS`, or in
    /// the older `RAYON_RS_NUM_CPUS`, or else one per CPU that the process may use.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.options.num_threads = num_threads;
        self
    }

    /// Makes the thread that builds the pool its worker 0, for the rest of that thread's life.
    ///
    /// It goes on with what it does, and works for the pool only where it waits for the pool:
    /// in a join, a scope, an install or a yield. Start and exit handlers are not called on it.
    pub fn use_current_thread(mut self) -> Self {
        self.options.use_current_thread = true;
        self
    }

    /// Is called with the payload of each panic that nobody else gets: of a spawned closure, or
    /// of a start or exit handler.
    ///
    /// Without it, and when it panics itself, the process is aborted.
    pub fn panic_handler<H>(mut self, panic_handler: H) -> Self
    where
        H: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.options.panic_handler = Some(Box::new(panic_handler));
        self
    }

    /// Bytes of stack of each thread.
    pub fn stack_size(mut self, stack_size: usize) -> Self {
        self.options.stack_size = Some(stack_size);
        self
    }

    /// A hint to run spawned closures oldest first; [`spawn`](crate::spawn()) follows it.
    #[deprecated(note = "use `scope_fifo` and `spawn_fifo` instead")]
    pub fn breadth_first(mut self) -> Self {
        self.options.breadth_first = true;
        self
    }

    /// Is called on each thread before its first work, with its index.
    pub fn start_handler<H>(mut self, start_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.options.start_handler = Some(Box::new(start_handler));
        self
    }

    /// Is called on each thread after its last work, with its index.
    pub fn exit_handler<H>(mut self, exit_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.options.exit_handler = Some(Box::new(exit_handler));
        self
    }

    /// What a worker may run while it waits: an addition to upstream's API, for programs that
    /// depend on this package by name.
    pub fn wait_policy(mut self, policy: WaitPolicy) -> Self {
        self.options.wait_policy = policy;
        self
    }
}

impl Options {
    /// How many workers there are to be.
    fn threads(&self) -> usize {
        let asked = match self.num_threads {
            0 => threads_by(|variable| env::var(variable).ok()),
            threads => threads,
        };
        asked.min(max_num_threads())
    }

    /// The pool without its threads, and their seats.
    fn pool(self, threads: usize) -> Result<(ws::ThreadPool, Vec<ws::ThreadBuilder>), Kind> {
        let (send, receive) = mpsc::channel();
        let panics = self.panic_handler;
        let mut builder = ws::ThreadPoolBuilder::new()
            .num_threads(threads)
            .max_threads(threads)
            .wait_policy(self.wait_policy)
            .panic_handler(move |payload| unseen(panics.as_deref(), payload))
            .spawn_handler(move |seat| {
                // The receiver lives until the pool is built.
                let _ = send.send(seat);
                Ok(NotJoined)
            });
        if let Some(handler) = self.start_handler {
            builder = builder.start_handler(handler);
        }
        if let Some(handler) = self.exit_handler {
            builder = builder.exit_handler(handler);
        }
        let pool = builder
            .build()
            .map_err(|error| Kind::Thread(io::Error::other(error)))?;
        Ok((pool, receive.try_iter().collect()))
    }
}

/// The number of workers that the environment asks for, or one per CPU.
fn threads_by(variable: impl Fn(&str) -> Option<String>) -> usize {
    let number = |name| variable(name)?.parse::<usize>().ok();
    // A 0 in the newer variable asks for the default, whatever the older one says.
    let asked = number("RAYON_NUM_THREADS").or_else(|| number("RAYON_RS_NUM_CPUS"));
    match asked {
        None | Some(0) => thread::available_parallelism().map_or(1, usize::from),
        Some(threads) => threads,
    }
}

/// A panic that nobody else gets.
fn unseen(handler: Option<&PanicHandler>, payload: Payload) {
    let abort =
        AbortOnDrop("a panic in a spawned closure found no panic handler, or one that panics");
    if let Some(handler) = handler {
        handler(payload);
        std::mem::forget(abort);
    }
}

/// The pool's handle of a thread that is not its own to join.
struct NotJoined;

impl ws::JoinThread for NotJoined {
    fn join(self: Box<Self>) {}
}

impl<S> fmt::Debug for ThreadPoolBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        f.debug_struct("ThreadPoolBuilder")
            .field("num_threads", &options.num_threads)
            .field("use_current_thread", &options.use_current_thread)
            .field("thread_name", &options.thread_name.is_some())
            .field("stack_size", &options.stack_size)
            .field("panic_handler", &options.panic_handler.is_some())
            .field("start_handler", &options.start_handler.is_some())
            .field("exit_handler", &options.exit_handler.is_some())
            .field("breadth_first", &options.breadth_first)
            .field("wait_policy", &options.wait_policy)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_asked_in_upstreams_order() {
        let cpus = threads_by(|_| None);
        assert!(cpus >= 1);
        let threads = |new: Option<&str>, old: Option<&str>| {
            threads_by(|name| {
                let value = if name == "RAYON_NUM_THREADS" {
                    new
                } else {
                    old
                };
                value.map(str::to_owned)
            })
        };
        assert_eq!(threads(Some("5"), Some("7")), 5);
        assert_eq!(threads(None, Some("7")), 7);
        assert_eq!(threads(Some("many"), Some("7")), 7);
        assert_eq!(threads(Some("0"), Some("7")), cpus);
        assert_eq!(threads(None, Some("0")), cpus);
    }
}
