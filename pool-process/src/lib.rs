//! A pool of worker processes: a crash, a leak or a hang of one job stays its own.
//!
//! Threads share everything, so a thread pool can't survive a job that overruns its stack, frees
//! what it does not own, exits, never ends, or eats all memory. Where jobs may do that (code of
//! others, C libraries, parsers of what strangers send) they belong into processes. This pool keeps
//! a number of them, gives each one job at a time, and makes an `Err` for that job out of whatever
//! happens to it.
//!
//! * [`Function`] and [`init`]: what workers can run, listed at the start of `main`. Workers are
//!   the same program, started again.
//! * [`ProcessPool`]: [`spawn`](ProcessPool::spawn), [`try_spawn`](ProcessPool::try_spawn),
//!   [`spawn_within`](ProcessPool::spawn_within), [`execute`](ProcessPool::execute),
//!   [`wait_idle`](ProcessPool::wait_idle), [`shutdown`](ProcessPool::shutdown).
//! * [`Builder`]: number, names and arguments of the workers, limits on memory and time, the bound
//!   of the queue, whether workers are started beforehand.
//! * [`JoinHandle`]: blocking and a future; [`JobError`] says what became of the job.
//!
//! # What closures cannot do
//! The other models of this family run closures. A closure is code and captured memory of *this*
//! process; another process has neither the captures nor a name for the code. So this pool takes
//! functions that have a name and arguments that serde can write down, and is not an
//! [`exec_core::Executor`]: a job of that trait is two pointers into this process, which a scope may
//! even let borrow from a stack, and a future is polled where its waker is. It answers
//! [`caps`](ProcessPool::caps), [`stats`](ProcessPool::stats) and
//! [`shutdown`](ProcessPool::shutdown) in the words of the others, and its handles are futures that
//! any of them can await.
//!
//! `fork` would copy the captures. But it copies one thread only: in a process with others, a lock
//! that one of them held (the allocator's, standard output's, a library's) stays locked for ever in
//! the child, and nothing but async-signal-safe calls is allowed there, which rules any closure
//! out. A single-threaded helper process that forks (a zygote) has no captures to copy. So there is
//! no mode that forks closures; what has to go along is an argument.
//!
//! # Signals and forks
//! Workers are in process groups of their own: Ctrl-C reaches this process only, which decides. They
//! end with this process, however that ends. Every descriptor is close-on-exec, and a worker's
//! standard input is `/dev/null`. What a job starts as processes of its own is killed with
//! its worker, unless it has left the worker's group. No signal handler is installed, and one that
//! runs on a thread of this process must not call the pool. In a child of `fork` the pool refuses
//! with [`Reason::Forked`], and dropping it leaves the workers alone.
//!
//! # Platforms
//! Linux, 5.4 or later. Elsewhere the crate is empty.
//!
//! # Examples
//! ```
//! use pool_process::{Ended, Function, JobError, ProcessPool};
//!
//! static DIVIDE: Function<(i32, i32), i32> = Function::new("divide", |(a, b)| a / b);
//! static EXIT: Function<i32, ()> = Function::new("exit", |code| std::process::exit(code));
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     pool_process::init(&[&DIVIDE, &EXIT]);
//!     let pool = ProcessPool::new(2)?;
//!     let fine = pool.spawn(&DIVIDE, (7, 2));
//!     let gone = pool.spawn(&EXIT, 3);
//!     assert_eq!(fine.join(), Ok(3));
//!     assert_eq!(gone.join(), Err(JobError::Died(Ended::Exited(3))));
//!     assert_eq!(pool.spawn(&DIVIDE, (8, 2)).join(), Ok(4));
//!     Ok(())
//! }
//! ```
#![cfg(target_os = "linux")]

mod builder;
mod call;
mod channel;
mod error;
mod frame;
mod function;
mod join;
mod page;
mod poller;
mod pool;
mod process;
mod shared;
mod slot;
mod state;
mod stats;
mod supervisor;
mod worker;

pub use builder::{BuildError, Builder, MAX_WORKERS, MIN_MEMORY};
pub use error::{Ended, JobError, Reason, Rejected};
pub use function::{Function, Registered, init};
pub use join::JoinHandle;
pub use pool::ProcessPool;
pub use stats::WorkerStats;

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
