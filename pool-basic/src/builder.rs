//! How a pool is made, and what can be wrong with it.

use core::fmt;
use std::io;

use exec_core::{
    Ground, Payload, Shutdown, StdGround,
    sync::{Arc, thread},
};

use crate::{
    pool::ThreadPool,
    queue::Queue,
    shared::{PanicHandler, Shared},
    shutdown::{self, Threads},
    sleep::MAX_WORKERS,
    worker,
};

/// The most threads a pool can have.
pub const MAX_THREADS: usize = MAX_WORKERS;

/// The smallest stack a worker can have, in bytes.
pub const MIN_STACK: usize = 16 << 10;

/// The largest stack a worker can have, in bytes: 1 TiB, or 1 GiB where addresses have 32 bits.
pub const MAX_STACK: usize = if usize::BITS < 64 {
    1 << 30
} else {
    (1_u64 << 40) as usize
};

/// The largest bound of a queue: no memory holds as many jobs.
const MAX_CAPACITY: usize = isize::MAX as usize / size_of::<exec_core::SmallJob>();

/// Options of a [`ThreadPool`].
///
/// # Examples
/// ```
/// use pool_basic::{Queue, ThreadPool};
///
/// let pool = ThreadPool::builder()
///     .threads(2)
///     .name("io")
///     .stack_size(256 << 10)
///     .queue(Queue::Crossbeam)
///     .queue_capacity(1_000)
///     .panic_handler(|_| eprintln!("a job panicked"))
///     .build()?;
/// assert_eq!(pool.threads(), 2);
/// # Ok::<(), pool_basic::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    threads: usize,
    name: String,
    stack_size: Option<usize>,
    pub(crate) queue: Queue,
    pub(crate) capacity: Option<usize>,
    pub(crate) panic_handler: Option<PanicHandler>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            threads: 0,
            name: String::from("pool-basic"),
            stack_size: None,
            queue: Queue::default(),
            capacity: None,
            panic_handler: None,
        }
    }

    /// How many threads; 0, the default, is one for each CPU that the process may use (its
    /// affinity and its cgroup's quota are looked at). At most [`MAX_THREADS`].
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// What the threads are called: `name-0`, `name-1`, and so on, in process viewers too (Linux
    /// shows 15 bytes). `pool-basic` by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Bytes of stack for each thread, [`MIN_STACK`] to [`MAX_STACK`]; std's default (2 MiB)
    /// without it.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Which queue; [`Queue::Locked`] by default.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queue = queue;
        self
    }

    /// How many jobs may be queued, at least 1; running ones do not count. Without it the queue
    /// grows as long as there is memory.
    ///
    /// When the queue is full, [`spawn`](ThreadPool::spawn) and [`execute`](ThreadPool::execute)
    /// block, and the `try_` methods refuse. A worker of the pool is always refused, since it
    /// could be the one that has to make room; scopes and fork-join then run the job in place.
    /// Woken futures are queued beyond the bound.
    pub fn queue_capacity(mut self, jobs: usize) -> Self {
        self.capacity = Some(jobs);
        self
    }

    /// What to do with the panic of a job that nobody joins, on the worker that ran it. Without
    /// it, the panic hook's message is all there is. A panic of the handler itself is caught and
    /// thrown away.
    pub fn panic_handler(mut self, handler: impl Fn(Payload) + Send + Sync + 'static) -> Self {
        self.panic_handler = Some(Box::new(handler));
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// See [`BuildError`]. No thread is left behind.
    pub fn build(self) -> Result<ThreadPool, BuildError> {
        let workers = self.check()?;
        let name = self.name.clone();
        let stack_size = self.stack_size;
        let shared = Arc::new(Shared::new(self, workers));
        let mut handles = Vec::with_capacity(workers);
        for index in 0..workers {
            let inside = shared.clone();
            shared.sleep.begin();
            match start(format!("{name}-{index}"), stack_size, move || {
                worker::main(inside, index);
            }) {
                Ok(handle) => handles.push(handle),
                Err(source) => {
                    shared.sleep.abandon();
                    let threads = Threads::new(handles);
                    let _ = shutdown::shutdown(&shared, &threads, Shutdown::Drain);
                    return Err(BuildError::Thread {
                        started: index,
                        of: workers,
                        source,
                    });
                }
            }
        }
        Ok(ThreadPool {
            shared,
            threads: Threads::new(handles),
        })
    }

    /// Refuses what cannot be, before anything is allocated; returns the number of threads.
    fn check(&self) -> Result<usize, BuildError> {
        let workers = match self.threads {
            0 => StdGround.parallelism().min(MAX_THREADS),
            n if n > MAX_THREADS => {
                return Err(BuildError::TooMany {
                    what: "threads",
                    asked: n,
                    max: MAX_THREADS,
                });
            }
            n => n,
        };
        if self.name.contains('\0') {
            return Err(BuildError::Name);
        }
        if let Some(asked) = self.stack_size
            && !(MIN_STACK..=MAX_STACK).contains(&asked)
        {
            return Err(BuildError::StackSize { asked });
        }
        match self.capacity {
            Some(0) => Err(BuildError::NoCapacity),
            Some(asked) if asked > MAX_CAPACITY => Err(BuildError::TooMany {
                what: "places in the queue",
                asked,
                max: MAX_CAPACITY,
            }),
            _ => Ok(workers),
        }
    }
}

#[cfg(not(loom))]
fn start(
    name: String,
    stack_size: Option<usize>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let mut builder = thread::Builder::new().name(name);
    if let Some(bytes) = stack_size {
        builder = builder.stack_size(bytes);
    }
    builder.spawn(body)
}

/// Loom's threads have neither name nor size.
#[cfg(loom)]
fn start(
    _: String,
    _: Option<usize>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    Ok(thread::spawn(body))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("threads", &self.threads)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("queue", &self.queue)
            .field("queue_capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// Why a pool could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// More than there can be.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were asked for.
        asked: usize,
        /// How many there can be.
        max: usize,
    },
    /// A bound of 0, which would take no job at all.
    NoCapacity,
    /// A stack smaller than [`MIN_STACK`] or larger than [`MAX_STACK`].
    StackSize {
        /// The bytes that were asked for.
        asked: usize,
    },
    /// A name with a zero byte in it.
    Name,
    /// The system refused a thread. Those that had been started have been ended and joined.
    Thread {
        /// How many had been started.
        started: usize,
        /// How many there should have been.
        of: usize,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, asked, max } => {
                write!(f, "{asked} {what} are too many; ask for at most {max}")
            }
            Self::NoCapacity => f.write_str(
                "a queue for 0 jobs takes none; give it at least 1, or no capacity for a queue \
                 without bound",
            ),
            Self::StackSize { asked } => write!(
                f,
                "a stack of {asked} bytes cannot be made; ask for {MIN_STACK} to {MAX_STACK}"
            ),
            Self::Name => f.write_str("a thread's name cannot contain a zero byte"),
            Self::Thread {
                started,
                of,
                source,
            } => write!(
                f,
                "could not start thread {} of {of}: {source}; ask for {started} threads or fewer, \
                 give them smaller stacks, or raise the limits of the process (`ulimit -u`, \
                 `ulimit -v`, the cgroup's pids.max); the {started} that ran were ended",
                started + 1
            ),
        }
    }
}

impl core::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Thread { source, .. } => Some(source),
            _ => None,
        }
    }
}
