//! Every model on the same work: the lab, its peers and its benches.
//!
//! The program `lab` measures one thing in a fresh process; `cargo xtask compare` and
//! `cargo xtask bench` start it, interleaved, and gather what it prints. For code of one's own there is
//! [`Lab`], which does the same from any program that depends on this crate.

#![forbid(unsafe_code)]

pub mod asyncs;
pub mod bars;
pub mod cpus;
pub mod experiments;
pub mod interrupt;
pub mod model;
pub mod own;
pub mod peers;
pub mod pools;
pub mod processes;
pub mod rounds;
pub mod sample;
mod sockets;
pub mod switches;
pub mod trace;
pub mod usage;

pub use exec_core::Handle;
pub use record::{Model, Report, Row};

pub use own::Lab;

#[cfg(test)]
#[path = "../tests/watchdog/mod.rs"]
mod watchdog;

/// The examples of the README, compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub mod readme {}

/// The examples of the architecture's text.
#[cfg(doctest)]
#[doc = include_str!("../../ARCHITECTURE.md")]
pub mod architecture {}
