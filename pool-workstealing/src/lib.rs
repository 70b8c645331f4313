//! A work-stealing thread pool: fork-join, scopes and spawned jobs.
#![deny(unsafe_op_in_unsafe_fn)]

mod fence;
// What the models of `loom-tests` use is public in these two, and exported under loom only.
#[allow(unreachable_pub)]
mod queue;
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
#[cfg(not(loom))]
mod policy;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod recorder;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod scope;
#[cfg(not(loom))]
mod spawn;
#[cfg(not(loom))]
mod stats;
#[cfg(not(loom))]
mod threads;
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
    recorder::Recording,
    scope::{Scope, ScopeFifo, in_place_scope, in_place_scope_fifo, scope, scope_fifo},
    spawn::{spawn, spawn_fifo},
    stats::WorkerStats,
    threads::{JoinThread, ThreadBuilder},
    worker::Worker,
    yielding::{Yield, yield_local, yield_now},
};

/// The protocols by themselves, for the models of `loom-tests`.
#[cfg(loom)]
pub mod model {
    pub use crate::{
        queue::{
            deque::{Steal, Stealer, Worker},
            injector::Injector,
            split::Split,
        },
        sleep::{Idle, Sleep},
    };
}
