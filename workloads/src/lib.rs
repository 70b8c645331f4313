//! The programs that are compared, written once against [`Handle`](exec_core::Handle).
//!
//! Each module is one program: `run` under any model, and `serial`, the reference that its
//! answer is checked against. [`Workload`] is the list of them, for commands and tables.
//! Everything here is `no_std` with `alloc`, so that the same code runs inside the kernel.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod fib;
pub mod mix;
pub mod mixed;
pub mod ping_pong;
pub mod spawn_join;
pub mod wordcount;
pub mod workload;

pub use workload::{Size, UnknownWorkload, Workload};
