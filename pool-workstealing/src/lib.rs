//! A work-stealing thread pool: fork-join, scopes, spawned jobs and futures on one set of workers.
//!
//! ```
//! use pool_workstealing::{ThreadPool, join};
//!
//! fn sum(numbers: &[u64]) -> u64 {
//!     if numbers.len() <= 1_000 {
//!         return numbers.iter().sum();
//!     }
//!     let (left, right) = numbers.split_at(numbers.len() / 2);
//!     let (left, right) = join(|| sum(left), || sum(right));
//!     left + right
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = ThreadPool::new(0)?; // one worker per CPU
//! let numbers: Vec<u64> = (0..100_000).collect();
//! assert_eq!(pool.install(|| sum(&numbers)), 4_999_950_000);
//!
//! let job = pool.spawn_with_handle(|| 6 * 7);
//! let task = pool.spawn_async(async { 6 * 7 });
//! assert_eq!(job.join()? + task.join()?, 84);
//! # Ok(()) }
//! ```
//!
//! # When to use it
//! * Divide and conquer, down to leaves of a few nanoseconds: a [`join()`] that nobody wants to
//!   share is one load and two calls. [`Worker::join`] passes the worker along and is the fastest.
//! * Many small closures: up to 48 bytes of captures are queued without an allocation.
//! * Work under a lock: see the guarantee about [`WaitPolicy::OwnSubtree`] below.
//! * A program that is idle most of the time: sleeping workers cost nothing.
//!
//! # When not to
//! * Jobs that block in the system for long hold their worker: use a thread a job.
//! * Futures that sleep or do I/O: they run here, but timers block a worker; an M:N executor has
//!   a timer wheel and a reactor.
//! * Strict order, priorities, or a worker of one's own: there is none.
//! * Jobs that wait for each other in a circle: a job that joins itself is refused, a longer
//!   circle is not seen and hangs. Where one could come about, wait with
//!   [`JoinHandle::join_timeout`](exec_core::JoinHandle::join_timeout), which gives the handle back.
//!
//! # Guarantees
//! | guarantee | shown by |
//! |---|---|
//! | an accepted job runs once, or is reported as cancelled; a refused one comes back | `tests/conformance.rs`, `tests/lifetime.rs`, loom `ws_injector` |
//! | no wake-up is lost; one post wakes one worker | loom `ws_sleep`, `ws_elsewhere`, `tests/sleep.rs` |
//! | a forked half is taken once, by its owner or by one thief, and its end reaches the owner | loom `ws_split`, `ws_fork` |
//! | what is spawned in a scope has run when the scope returns, after a stop too | loom `ws_scope`, `tests/scope.rs` |
//! | an own spawn runs newest first, `spawn_fifo` and what comes from outside oldest first | `tests/api.rs` |
//! | what a worker spawns beyond the 256 jobs of its deque runs oldest first, and others can take all of it while the worker is busy | `tests/beyond.rs`, loom `ws_spill` |
//! | nothing that is tied to a thread or a stack gets away from it | `src/must_not_compile.rs` |
//! | an idle pool does not use the CPU | `tests/sleep.rs` |
//! | a timed wait ends, and gives its handle back, when jobs join each other | `tests/waiting.rs` |
//! | a wait inside a job runs nothing foreign (`OwnSubtree`), so a lock held over a nested join cannot deadlock by it | `tests/waiting.rs` |
//! | what was exposed stays takeable during a long leaf, and every idle worker is offered a job before it | `tests/waiting.rs` |
//! | a panic reaches the one who joins, after everything that borrows has ended; nobody else is harmed | `tests/panics.rs`, `tests/conformance.rs` |
//! | too many threads, or a thread that the system refuses, is an error, and the started ones are joined | `tests/lifetime.rs`, `tests/child.rs` |
//! | a child of a fork is refused instead of hanging | `tests/child.rs` |
//! | a recursion without end meets the guard page of its worker | `tests/child.rs` |
//! | memory that runs out is an abort with a message; signals interrupt workers harmlessly | `tests/child.rs` |
//! | a deadline ends a shutdown over jobs that do not end and futures that nobody wakes | `tests/lifetime.rs`, `tests/api.rs` |
//! | a drop waits for what was accepted, except on a worker of the pool itself | `tests/lifetime.rs` |
//!
//! How much forked work can be out of reach of the others, and for how long, is said in the head
//! of `queue/split.rs`: a few jobs a worker, until its next `join`.
//!
//! # Signals and forks
//! A signal handler that runs on a worker interrupts it anywhere, a lock of the pool included: it
//! must not call the pool. After a fork the child has no workers: spawns are refused with
//! [`Reason::Forked`](exec_core::Reason::Forked), and what must come to an end runs on the caller.
#![deny(unsafe_op_in_unsafe_fn)]

mod fence;
// What the models of `loom-tests` use is public in these, and exported under loom only.
#[allow(unreachable_pub)]
mod ending;
#[allow(unreachable_pub)]
mod queue;
#[allow(unreachable_pub)]
mod shares;
#[allow(unreachable_pub)]
mod sleep;

#[cfg(not(loom))]
mod affinity;
#[cfg(not(loom))]
mod broadcast;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod elsewhere;
#[cfg(not(loom))]
mod enter;
#[cfg(not(loom))]
mod executor;
#[cfg(not(loom))]
mod fork;
#[cfg(not(loom))]
mod futures;
#[cfg(not(loom))]
mod global;
#[cfg(not(loom))]
mod install;
#[cfg(not(loom))]
mod job;
#[cfg(not(loom))]
mod join;
#[cfg(not(loom))]
mod latch;
#[cfg(doctest)]
pub mod must_not_compile;
#[cfg(not(loom))]
mod policy;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod scope;
#[cfg(not(loom))]
mod search;
#[cfg(not(loom))]
mod seat;
#[cfg(not(loom))]
mod spawn;
#[cfg(not(loom))]
mod stats;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod waiting;
#[cfg(not(loom))]
mod worker;
#[cfg(not(loom))]
mod yielding;

#[cfg(not(loom))]
pub use {
    broadcast::{BroadcastContext, broadcast, spawn_broadcast},
    builder::{BuildError, MAX_THREADS, ThreadPoolBuilder},
    global::{current_num_threads, current_thread_index},
    join::{FnContext, join, join_context},
    policy::WaitPolicy,
    pool::ThreadPool,
    scope::{Scope, ScopeFifo, in_place_scope, in_place_scope_fifo, scope, scope_fifo},
    spawn::{spawn, spawn_fifo},
    stats::WorkerStats,
    threads::{JoinThread, ThreadBuilder},
    worker::Worker,
    yielding::{Yield, yield_local, yield_now},
};

#[cfg(not(loom))]
pub use flight_recorder::Recording;

/// The protocols by themselves, for the models of `loom-tests`.
#[cfg(loom)]
pub mod model {
    pub use crate::{
        ending::{Ending, Outcome},
        queue::{
            deque::{Steal, Stealer, Worker},
            injector::{Injector, Reader},
            spill::{Reader as SpillReader, Spill},
            split::Split,
        },
        shares::{Shares, Stock},
        sleep::{Idle, Sleep},
    };
}
