//! The grounds a scheduler stands on (host threads, kernel system calls) and the 1:1 executor.
//!
//! * [`Host`]: the threads of the operating system this program runs on (feature `std`).
//! * `kernel::Kernel`: the system calls of our own kernel (feature `kernel`, x86-64).
//! * [`ipc`]: pipes, shared memory, semaphores, mailboxes and local sockets, on both grounds.
//! * [`OneToOne`]: the executor that gives each job a thread of its ground.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(all(feature = "std", not(loom)))]
mod host;
#[cfg(not(loom))]
pub mod ipc;
#[cfg(all(feature = "kernel", target_arch = "x86_64"))]
pub mod kernel;
mod one_to_one;
mod waiters;

#[cfg(all(feature = "std", not(loom)))]
pub use host::{Host, HostThread, MAX_STACK, MIN_STACK};
pub use one_to_one::{Builder, OneToOne};

/// The examples of the README are compiled and run.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
