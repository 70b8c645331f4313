//! How a pool is made, and what can be wrong with it.

use core::{fmt, time::Duration};
use std::{ffi::OsString, io};

use exec_core::{
    Ground, Shutdown, StdGround,
    sync::{Arc, thread},
};

use crate::{
    error::JobError,
    function::Registry,
    pool::ProcessPool,
    process::Program,
    shared::{Config, FailureHandler, Shared},
    supervisor, worker,
};

/// The most workers a pool can have.
pub const MAX_WORKERS: usize = 1_024;

/// The smallest limit of memory, in bytes: a program's own text and libraries count too.
pub const MIN_MEMORY: u64 = 16 << 20;

/// The largest bound of a queue.
const MAX_CAPACITY: usize = isize::MAX as usize / size_of::<usize>();

/// How long a worker may take to get ready.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of a [`ProcessPool`].
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use pool_process::{Function, ProcessPool};
///
/// static LEN: Function<String, usize> = Function::new("len", |s| s.len());
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// pool_process::init(&[&LEN]);
/// let pool = ProcessPool::builder()
///     .workers(2)
///     .name("parser")
///     .queue_capacity(1_000)
///     .memory_limit(512 << 20)
///     .time_limit(Duration::from_secs(5))
///     .failure_handler(|name, error| eprintln!("{name}: {error}"))
///     .build()?;
/// assert_eq!(pool.spawn(&LEN, "four".into()).join()?, 4);
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    workers: usize,
    name: String,
    args: Vec<OsString>,
    capacity: Option<usize>,
    prefork: bool,
    quiet: bool,
    memory: Option<u64>,
    time_limit: Option<Duration>,
    start_timeout: Duration,
    failure_handler: Option<FailureHandler>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            workers: 0,
            name: String::from("pool-process"),
            args: Vec::new(),
            capacity: None,
            prefork: true,
            quiet: false,
            memory: None,
            time_limit: None,
            start_timeout: START_TIMEOUT,
            failure_handler: None,
        }
    }

    /// How many worker processes; 0, the default, is one for each CPU that the process may use.
    /// At most [`MAX_WORKERS`].
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What the workers are called: `name-0`, `name-1`, and so on, as their first argument, which
    /// process viewers show. `pool-process` by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Arguments that the workers are started with: what a `main` that looks at its arguments
    /// first needs, to come as far as [`init`](crate::init). None by default.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// For a pool in a test of `cargo test`: workers come in by the test of this name, which does
    /// nothing but call [`init`](crate::init), and are [`quiet`](Self::quiet), so that what the
    /// harness says in them does not mix with what it says here.
    pub fn test(self, name: &str) -> Self {
        self.args(["--exact", name, "--nocapture", "--test-threads=1"])
            .quiet(true)
    }

    /// Whether the workers' standard output goes nowhere; `false` by default, which is to this
    /// process's. Standard error is always this process's.
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// How many jobs may be queued, at least 1; those that workers have do not count. Without it
    /// the queue grows as long as there is memory.
    ///
    /// When the queue is full, [`spawn`](ProcessPool::spawn) and [`execute`](ProcessPool::execute)
    /// block, and the `try_` methods refuse.
    pub fn queue_capacity(mut self, jobs: usize) -> Self {
        self.capacity = Some(jobs);
        self
    }

    /// Whether [`build`](Self::build) starts all workers and waits for them to be ready; `true` by
    /// default. Otherwise a worker is started when a job finds none that is idle.
    pub fn prefork(mut self, prefork: bool) -> Self {
        self.prefork = prefork;
        self
    }

    /// How many bytes of address space (`RLIMIT_AS`) a worker may have, at least [`MIN_MEMORY`];
    /// what the program itself takes counts. An allocation beyond it fails, which in Rust ends the
    /// worker, and its job with [`JobError::Died`]. No limit by default.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// How long a job may run, from when a worker gets it. Then its worker is killed, and the job
    /// ends with [`JobError::TimedOut`]. No limit by default;
    /// [`spawn_within`](ProcessPool::spawn_within) sets one for a job.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// How long a worker may take to get ready; 10 s by default.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// What to do with the error of a job that nobody joins: it gets the function's name and the
    /// error, on the thread that has learnt it. Without it, a line is written to standard error,
    /// except for a panic, which the worker's panic hook has written there already. A panic of
    /// the handler itself is caught and thrown away.
    pub fn failure_handler(
        mut self,
        handler: impl Fn(&str, &JobError) + Send + Sync + 'static,
    ) -> Self {
        self.failure_handler = Some(Box::new(handler));
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// See [`BuildError`]. No process and no thread is left behind.
    ///
    /// # Blocking
    /// With [`prefork`](Self::prefork), until the workers are ready.
    pub fn build(self) -> Result<ProcessPool, BuildError> {
        let workers = self.check()?;
        let prefork = self.prefork;
        let shared = Arc::new(
            Shared::new(Config {
                workers,
                capacity: self.capacity,
                prefork,
                start_timeout: self.start_timeout,
                time_limit: self.time_limit,
                program: Program {
                    name: self.name,
                    args: self.args,
                    memory: self.memory,
                    quiet: self.quiet,
                },
                failure_handler: self.failure_handler,
            })
            .map_err(BuildError::Poller)?,
        );
        let inside = shared.clone();
        let supervisor = thread::Builder::new()
            .name("pool-process".into())
            .spawn(move || supervisor::main(&inside))
            .map_err(BuildError::Thread)?;
        let pool = ProcessPool::new_with(shared, supervisor);
        if prefork {
            let shared = &pool.shared;
            shared.wait_for(None, |state| state.ready() == workers || state.failures > 0);
            let failed = {
                let state = shared.state.lock();
                (state.failures > 0).then(|| BuildError::Worker {
                    ready: state.ready(),
                    of: workers,
                    why: state.trouble.clone(),
                })
            };
            if let Some(error) = failed {
                let _ = pool.shutdown(Shutdown::Now);
                return Err(error);
            }
        }
        Ok(pool)
    }

    /// Refuses what cannot be, before anything is started; returns the number of workers.
    fn check(&self) -> Result<usize, BuildError> {
        if worker::is_worker() && Registry::get().is_none() {
            return Err(BuildError::InsideWorker);
        }
        if Registry::get().is_none() {
            return Err(BuildError::NotInitialised);
        }
        let workers = match self.workers {
            0 => StdGround.parallelism().min(MAX_WORKERS),
            n if n > MAX_WORKERS => {
                return Err(BuildError::TooMany {
                    what: "workers",
                    asked: n,
                    max: MAX_WORKERS,
                });
            }
            n => n,
        };
        let nul = |arg: &OsString| arg.as_encoded_bytes().contains(&0);
        if self.name.contains('\0') || self.args.iter().any(nul) {
            return Err(BuildError::Name);
        }
        if let Some(asked) = self.memory.filter(|bytes| *bytes < MIN_MEMORY) {
            return Err(BuildError::Memory { asked });
        }
        if self.time_limit.is_some_and(|limit| limit.is_zero()) || self.start_timeout.is_zero() {
            return Err(BuildError::NoTime);
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

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("prefork", &self.prefork)
            .field("memory", &self.memory)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

/// Why there is no pool.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// [`init`](crate::init) was not called in this process: workers would not know their way in.
    NotInitialised,
    /// This process is a worker that has not come to [`init`](crate::init): `main` builds a pool
    /// before it.
    InsideWorker,
    /// More than there can be.
    TooMany {
        /// Of what.
        what: &'static str,
        /// What was asked for.
        asked: usize,
        /// The most there can be.
        max: usize,
    },
    /// A queue without a place.
    NoCapacity,
    /// A name or an argument with a NUL byte in it.
    Name,
    /// A limit of memory below [`MIN_MEMORY`].
    Memory {
        /// What was asked for.
        asked: u64,
    },
    /// A time limit of zero.
    NoTime,
    /// The system has no descriptor for the pool itself.
    Poller(io::Error),
    /// The system has no thread for the supervisor.
    Thread(io::Error),
    /// A worker could not be started, or did not get ready. The others were ended.
    Worker {
        /// How many were ready.
        ready: usize,
        /// How many there should be.
        of: usize,
        /// What is known of it.
        why: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInitialised => f.write_str(
                "pool_process::init was not called; make it the first line of main, with every \
                 function that workers run",
            ),
            Self::InsideWorker => f.write_str(
                "this process is a worker and has not come to pool_process::init; make that the \
                 first line of main, before any pool is built",
            ),
            Self::TooMany { what, asked, max } => {
                write!(f, "{asked} {what} are too many; at most {max}")
            }
            Self::NoCapacity => {
                f.write_str("a queue needs at least one place; leave the bound out for no bound")
            }
            Self::Name => f.write_str("names and arguments of processes can't have a NUL in them"),
            Self::Memory { asked } => write!(
                f,
                "a memory limit of {asked} bytes is less than a program takes; give at least \
                 {MIN_MEMORY}"
            ),
            Self::NoTime => {
                f.write_str("a time limit of zero lets nothing end; leave it out for no limit")
            }
            Self::Poller(source) => write!(
                f,
                "the pool's epoll could not be made: {source}; raise `ulimit -n`"
            ),
            Self::Thread(source) => write!(
                f,
                "the pool's thread could not be started: {source}; raise `ulimit -u`"
            ),
            Self::Worker { ready, of, why } => {
                write!(
                    f,
                    "{ready} of {of} workers were ready when one failed: {why}"
                )
            }
        }
    }
}

impl core::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Poller(source) | Self::Thread(source) => Some(source),
            _ => None,
        }
    }
}
