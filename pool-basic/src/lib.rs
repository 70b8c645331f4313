//! The classic thread pool: one queue and a lock, made fit for production.
//!
//! A fixed number of named threads take jobs from one queue, first in, first out. That is all of
//! it, and for jobs that take more than a few microseconds it is hard to beat. What this crate
//! adds to the pool of the textbook is what a program in production runs into: results and
//! panics that reach a joiner, backpressure, a shutdown with a deadline, waiting inside a job that
//! is refused instead of hanging, forks, and errors that say what to do.
//!
//! * [`ThreadPool`]: [`new`](ThreadPool::new), [`execute`](ThreadPool::execute),
//!   [`spawn`](ThreadPool::spawn), [`try_spawn`](ThreadPool::try_spawn),
//!   [`wait_idle`](ThreadPool::wait_idle), [`shutdown`](ThreadPool::shutdown),
//!   [`shutdown_timeout`](ThreadPool::shutdown_timeout).
//! * [`Builder`]: number, names and stacks of the threads, the bound of the queue, its kind
//!   ([`Queue`]), and what happens to a panic that nobody joins.
//! * It is an [`exec_core::Executor`], so [`exec_core::Handle`] gives it scopes, fork-join and
//!   futures.
//!
//! # Waiting inside a job
//! A worker that waits for another job of its own pool takes one worker out. When it would be
//! the last one, the wait could never end, and it is refused with
//! [`JoinError::WouldDeadlock`](exec_core::JoinError::WouldDeadlock); a pool of one thread
//! refuses each. Scopes and fork-join must come to an end, so the last worker runs queued jobs
//! itself while it waits for them; so does `block_on` on a worker. Waiting by other means (a
//! channel, a lock) is not seen.
//!
//! # Signals and forks
//! The pool installs no signal handler; one that runs on a worker must not call the pool, whose
//! locks its thread may hold. In a child of `fork` there are no workers: spawning is refused with
//! [`Reason::Forked`](exec_core::Reason::Forked), and dropping the pool leaves the threads alone.
//!
//! # Examples
//! ```
//! use pool_basic::ThreadPool;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = ThreadPool::builder().threads(2).name("worker").build()?;
//! let answer = pool.spawn(|| 6 * 7);
//! pool.execute(|| println!("from a worker"))?;
//! assert_eq!(answer.join()?, 42);
//! assert!(pool.shutdown().is_clean());
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod block_on;
mod bound;
mod builder;
mod counters;
mod executor;
mod pool;
mod queue;
mod shared;
mod shutdown;
mod sleep;
mod wait;
mod worker;

pub use builder::{BuildError, Builder, MAX_STACK, MAX_THREADS, MIN_STACK};
pub use pool::ThreadPool;
pub use queue::Queue;
pub use shutdown::StillRunning;

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
