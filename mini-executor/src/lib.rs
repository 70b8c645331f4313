//! An M:N async executor over any ground that can make threads.
//!
//! Many tasks, few threads: a [`Runtime`] polls futures on its workers, each with a queue of its
//! own, and idle workers steal from busy ones. It is written against [`Threads`], so the same code
//! runs on a host and inside our kernel; without the feature `std` the crate is `no_std` with
//! `alloc`.
//!
//! Reading order: [`worker`](self) (`worker/`: what one worker does), `idle.rs` (how it goes to
//! sleep and is woken), `queue/` (where tasks wait), `phase.rs` (how it all ends), `home.rs` (what
//! keeps the memory); then `poll.rs`, `watch.rs`, `caller.rs` (latency), `pace.rs` and `balance.rs`
//! (who helps whom, and who goes first), `driver.rs` and `io/` (sockets), `time/`, `blocking/`;
//! `seat.rs` (a runtime without threads), `simulate.rs` (one that a seed decides), `local_set.rs`
//! (tasks that stay), `spare.rs` and `watchdog.rs` (workers that block), `observe.rs`, `metrics.rs`
//! and `record.rs` (what it tells of itself).
//!
//! # Examples
//! ```
//! # #[cfg(feature = "std")] {
//! use mini_executor::Runtime;
//!
//! let runtime = Runtime::builder().workers(2).build().unwrap();
//! let answer = runtime.block_on(async {
//!     let six = runtime.spawn(async { 6 });
//!     let seven = runtime.spawn(async { 7 });
//!     six.await.unwrap() * seven.await.unwrap()
//! });
//! assert_eq!(answer, 42);
//! # }
//! ```
#![no_std]
// What the loom models drive is `pub` in its module, and reachable only under loom.
#![allow(unreachable_pub)]

extern crate alloc;
#[cfg(any(feature = "std", loom, test))]
extern crate std;

mod balance;
mod blocking;
mod builder;
mod caller;
mod context;
mod coop;
mod counters;
#[cfg(all(feature = "std", not(loom)))]
mod current;
mod driver;
mod executor;
#[cfg(feature = "std")]
pub mod fs;
mod home;
#[cfg(feature = "hyper")]
mod hyper_rt;
mod idle;
#[cfg(any(feature = "net", loom))]
pub mod io;
mod join_set;
mod latch;
mod local_set;
mod metrics;
mod observe;
mod owned;
mod pace;
mod padded;
mod phase;
mod poll;
#[cfg(all(feature = "process", unix))]
pub mod process;
mod queue;
mod record;
mod runtime;
mod seat;
mod shared;
#[cfg(all(feature = "signal", unix))]
pub mod signal;
mod simulate;
mod spare;
mod spawner;
mod time;
mod wait;
mod waiting;
mod watch;
mod watchdog;
mod worker;
mod yield_now;

pub use blocking::unblock::Unblock;
pub use builder::{BuildError, Builder, MAX_WORKERS, PanicHandler};
pub use coop::{Cooperative, Unconstrained};
#[cfg(all(feature = "std", not(loom)))]
pub use coop::{consume_budget, cooperative, unconstrained};
#[cfg(all(feature = "std", not(loom)))]
pub use current::{interval, sleep, spawn, timeout, unblock};
pub use join_set::{GroupError, JoinSet};
#[cfg(all(feature = "std", not(loom)))]
pub use local_set::spawn_local;
pub use local_set::{LocalHandle, LocalSet, LocalSpawner};
pub use metrics::{Metrics, WorkerMetrics};
pub use observe::{TaskDump, TaskState};
pub use runtime::Runtime;
#[cfg(all(feature = "std", not(loom)))]
pub use simulate::explore;
#[cfg(all(feature = "std", not(loom)))]
pub use spare::block_in_place;
pub use spawner::Spawner;
pub use time::sleep::{Elapsed, Interval, Sleep, Timeout};
pub use watchdog::Stuck;
pub use yield_now::{YieldNow, yield_now};

pub use flight_recorder::Recording;

pub use exec_core::{
    CreateReason, Handle, JoinError, JoinHandle, Nanos, Reason, Rejected, Shutdown, ShutdownReport,
    Stats, Threads,
};
#[cfg(all(feature = "std", not(loom)))]
pub use kernel_bridge::Host;

/// The parts that the loom models drive directly.
#[cfg(loom)]
pub mod model {
    pub use crate::{
        driver::{Bell, ParkPlace},
        home::TasksShare,
        idle::{Awake, Idle},
        io::readiness::{self, Readiness, Way},
        latch::Latch,
        owned::{Owner, Shard},
        queue::{
            lane::{Container, Lane, Put},
            local::{self, Local, Steal, Stealer},
        },
        seat::Place,
        watch::{Cover, Watch},
    };
}

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeExamples;
