//! One trait for every threading model.
//!
//! A program chooses how it runs its work: a thread a job, a pool, a work-stealing pool, an M:N
//! executor. This crate is the part that does not change with that choice.
//!
//! * [`Handle`] is what a user holds: `spawn`, `spawn_async`, `join`, `scope`, `block_on`,
//!   `sleep`, `shutdown`, `stats`.
//! * [`Executor`] is what a model implements, six methods at the least.
//! * [`Threads`] is the ground a model stands on: the host, our kernel, or loom.
//! * [`JoinHandle`] is the one right to a result, blocking or async.
//!
//! `no_std` with `alloc`; the default feature `std` adds catching of panics, the host's parking
//! ([`StdGround`]), and locks. The feature `conformance` adds the test suite that any executor
//! can be put through.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(feature = "std", loom, test))]
extern crate std;

pub mod block_on;
#[cfg(all(feature = "conformance", not(loom)))]
pub mod conformance;
mod error;
mod executor;
mod fork;
#[cfg(feature = "std")]
pub mod forks;
pub mod ground;
mod handle;
mod job;
mod join;
mod scope;
mod sleep;
mod small;
mod stats;
pub mod sync;
pub mod task;
pub mod unwind;
pub mod wait;

pub use error::{JoinError, Reason, Rejected};
pub use executor::{Caps, Executor, Meta, Nested, Shutdown, ShutdownReport, Ticket, Wake};
pub use fork::fork_join;
#[cfg(feature = "std")]
pub use ground::StdGround;
pub use ground::{CreateError, CreateReason, Ground, Nanos, ThreadJoinError, ThreadSpec, Threads};
pub use handle::{Handle, spawn_on, try_spawn_on};
pub use job::{Job, JobId, JobVTable};
pub use join::JoinHandle;
pub use scope::Scope;
pub use sleep::Sleep;
pub use small::SmallJob;
pub use stats::Stats;
pub use unwind::{Panic, Payload};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
