//! Building a pool: what can be chosen, what is refused.

use std::{fmt, io};

use exec_core::{sync::Arc, unwind::Payload};

use crate::{
    policy::WaitPolicy,
    pool::ThreadPool,
    registry::{ChooseCpu, Config, IndexHandler, PanicHandler, Registry},
    threads::{JoinThread, NameThread, SpawnHandler, ThreadBuilder, Threads, cpus},
};

/// The most workers a pool can have.
pub const MAX_THREADS: usize = 1_024;
/// The least stack of a worker, in bytes.
const MIN_STACK: usize = 16 << 10;
/// The most stack of a worker, in bytes.
const MAX_STACK: usize = 1 << 40;

/// Chooses how a [`ThreadPool`] is to be.
///
/// # Examples
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = pool_workstealing::ThreadPoolBuilder::new()
///     .num_threads(2)
///     .thread_name(|index| format!("crunch-{index}"))
///     .build()?;
/// assert_eq!(pool.current_num_threads(), 2);
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct ThreadPoolBuilder {
    threads: usize,
    max_threads: usize,
    name: Option<Box<NameThread>>,
    stack_size: Option<usize>,
    policy: WaitPolicy,
    queue_bound: Option<usize>,
    affinity: Option<Box<ChooseCpu>>,
    panic_handler: Option<Box<PanicHandler>>,
    start_handler: Option<Box<IndexHandler>>,
    exit_handler: Option<Box<IndexHandler>>,
    spawn_handler: Option<Box<SpawnHandler>>,
}

impl ThreadPoolBuilder {
    /// One worker per CPU, named, with the default stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many workers; 0 = one per CPU (of this process's cgroup), at most [`MAX_THREADS`].
    #[must_use]
    pub fn num_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// To how many workers the pool may grow; the default is four per CPU, or `num_threads` if
    /// that is more.
    #[must_use]
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads;
        self
    }

    /// The name of each worker by its index; Linux shows the first 15 bytes. The default is
    /// `ws-0`, `ws-1`, …
    #[must_use]
    pub fn thread_name<F>(mut self, name: F) -> Self
    where
        F: FnMut(usize) -> String + Send + 'static,
    {
        self.name = Some(Box::new(name));
        self
    }

    /// Bytes of stack of each worker, from 16 KiB to 1 TiB.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// What a worker may run while it waits inside a job.
    #[must_use]
    pub fn wait_policy(mut self, policy: WaitPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How many jobs may wait in the queue for work from outside; further ones are refused.
    /// Jobs that workers spawn are not bounded.
    #[must_use]
    pub fn queue_bound(mut self, jobs: usize) -> Self {
        self.queue_bound = Some(jobs);
        self
    }

    /// The CPU that each worker is tied to, by its index; `None` leaves it free. On Linux only; a
    /// CPU that the process may not use leaves the worker free as well.
    #[must_use]
    pub fn affinity<F>(mut self, cpu: F) -> Self
    where
        F: Fn(usize) -> Option<usize> + Send + Sync + 'static,
    {
        self.affinity = Some(Box::new(cpu));
        self
    }

    /// Is called with the payload of each panic that nobody joins. The default leaves it at what
    /// the panic hook has printed; either way it is counted.
    #[must_use]
    pub fn panic_handler<H>(mut self, handler: H) -> Self
    where
        H: Fn(Payload) + Send + Sync + 'static,
    {
        self.panic_handler = Some(Box::new(handler));
        self
    }

    /// Is called on each worker before its first job, with its index.
    #[must_use]
    pub fn start_handler<H>(mut self, handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.start_handler = Some(Box::new(handler));
        self
    }

    /// Is called on each worker after its last job, with its index.
    #[must_use]
    pub fn exit_handler<H>(mut self, handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.exit_handler = Some(Box::new(handler));
        self
    }

    /// Starts the threads in a way of one's own: `spawn` gets a [`ThreadBuilder`], calls its
    /// [`run`](ThreadBuilder::run) on a new thread, and returns what joins that thread.
    #[must_use]
    pub fn spawn_handler<F, J>(mut self, mut spawn: F) -> Self
    where
        F: FnMut(ThreadBuilder) -> io::Result<J> + Send + 'static,
        J: JoinThread + 'static,
    {
        self.spawn_handler = Some(Box::new(move |thread| {
            spawn(thread).map(|joined| Box::new(joined) as Box<dyn JoinThread>)
        }));
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// * [`BuildError::TooMany`] before anything was allocated.
    /// * [`BuildError::BadStackSize`] for a stack that no thread can have.
    /// * [`BuildError::Thread`] when the system gave fewer threads than asked for; those that
    ///   had been started were joined.
    pub fn build(mut self) -> Result<ThreadPool, BuildError> {
        let threads = if self.threads == 0 {
            cpus().min(MAX_THREADS)
        } else {
            self.threads
        };
        let asked = threads.max(self.max_threads);
        if asked > MAX_THREADS {
            return Err(BuildError::TooMany {
                asked,
                max: MAX_THREADS,
            });
        }
        if let Some(bytes) = self.stack_size
            && !(MIN_STACK..=MAX_STACK).contains(&bytes)
        {
            return Err(BuildError::BadStackSize { bytes });
        }
        let seats = if self.max_threads == 0 {
            threads.max(4 * cpus()).min(MAX_THREADS)
        } else {
            asked
        };
        let registry = Arc::new(Registry::new(Config {
            threads,
            seats,
            policy: self.policy,
            queue_bound: self.queue_bound,
            affinity: self.affinity.take(),
            panic_handler: self.panic_handler.take(),
            start_handler: self.start_handler.take(),
            exit_handler: self.exit_handler.take(),
        }));
        let mut started =
            Threads::new(self.name.take(), self.stack_size, self.spawn_handler.take());
        let filled = started.fill(&registry, threads);
        // Dropping the pool, on an error, ends and joins what was started.
        let pool = ThreadPool::of(registry, started);
        filled.map(|()| pool)
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("threads", &self.threads)
            .field("stack_size", &self.stack_size)
            .field("policy", &self.policy)
            .field("queue_bound", &self.queue_bound)
            .finish_non_exhaustive()
    }
}

/// Why a pool could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// More workers were asked for than there can be.
    TooMany {
        /// How many were asked for.
        asked: usize,
        /// How many there can be: [`MAX_THREADS`], or for a resize the builder's `max_threads`.
        max: usize,
    },
    /// No thread can have this much, or this little, stack.
    BadStackSize {
        /// How many bytes.
        bytes: usize,
    },
    /// The system refused a thread.
    Thread {
        /// How many had been started; they were joined.
        started: usize,
        /// How many were asked for.
        asked: usize,
        /// What the system said.
        source: io::Error,
    },
    /// The global pool exists already.
    GlobalPoolExists,
    /// The pool was to be resized by one of its own workers.
    OnWorker,
    /// The pool was to be resized after its shutdown.
    ShutDown,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { asked, max } => write!(
                f,
                "{asked} workers are too many: ask for at most {max}, or 0 for one per CPU"
            ),
            Self::OnWorker => f.write_str(
                "a worker cannot resize its own pool, since it would wait for itself; resize it \
                 from outside",
            ),
            Self::ShutDown => f.write_str("the pool has been shut down; build a new one"),
            Self::BadStackSize { bytes } => write!(
                f,
                "a stack of {bytes} bytes cannot be made: ask for {MIN_STACK} to {MAX_STACK}"
            ),
            Self::Thread {
                started,
                asked,
                source,
            } => write!(
                f,
                "could not start worker {} of {asked}: {source}; lower `num_threads` or raise \
                 `ulimit -u`",
                started + 1
            ),
            Self::GlobalPoolExists => f.write_str(
                "the global pool exists already; build it before the first use of the free \
                 functions",
            ),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread { source, .. } => Some(source),
            _ => None,
        }
    }
}
