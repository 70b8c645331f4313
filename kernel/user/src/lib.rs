//! The runtime that the kernel's user programs are linked with.
//!
//! There is no libc below them: this crate is the start code ([`program!`]), the memory functions
//! that compiled code calls, the heap, the console and the panic handler. System calls, threads and
//! futexes are [`kernel_bridge::kernel`]'s.
#![no_std]

extern crate alloc;

mod args;
pub mod chart;
pub mod console;
mod heap;
pub mod limits;
mod memory;
mod panic;
pub mod process;
pub mod signal;
mod start;
pub mod thread;

pub use args::Args;
pub use kernel_bridge::kernel::{self, file, futex, object, syscall};
