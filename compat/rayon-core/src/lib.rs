//! rayon-core's public API over [`pool_workstealing`].
//!
//! This package has the name, the version and the `links` key of the one that rayon depends on,
//! so that one line in a program's manifest puts rayon, and all that is built on it, on another
//! scheduler:
//!
//! ```toml
//! [patch.crates-io]
//! rayon-core = { path = "path/to/compat/rayon-core" }
//! ```
//!
//! A program is written against `rayon` as ever; this crate is not meant to be used by its own
//! name. What differs is in the README.
//!
//! # How it stands on the pool
//! * A pool is a [`pool_workstealing::ThreadPool`] in a shared home (`registry.rs`). Whatever
//!   is spawned holds the home, and the last one out closes the pool: dropping a [`ThreadPool`]
//!   neither waits for nor cuts off what was spawned.
//! * The threads are started here, one at a time, by the handler that the builder was given.
//! * Scopes, broadcasts and waiting are the pool's own.

#![forbid(unsafe_code)]

mod broadcast;
mod builder;
mod configuration;
mod error;
mod join;
mod registry;
mod scope;
mod spawn;
mod thread_builder;
mod thread_pool;
mod threads;
mod yielding;

pub use broadcast::{BroadcastContext, broadcast, spawn_broadcast};
pub use builder::ThreadPoolBuilder;
#[allow(deprecated)]
pub use configuration::{Configuration, initialize};
pub use error::ThreadPoolBuildError;
pub use join::{FnContext, join, join_context};
pub use pool_workstealing::WaitPolicy;
pub use scope::{Scope, ScopeFifo, in_place_scope, in_place_scope_fifo, scope, scope_fifo};
pub use spawn::{spawn, spawn_fifo};
pub use thread_builder::ThreadBuilder;
pub use thread_pool::ThreadPool;
pub use threads::{current_num_threads, current_thread_index, max_num_threads};
pub use yielding::{Yield, current_thread_has_pending_tasks, yield_local, yield_now};
