//! The programs that are compared, written once against Handle.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod workload;

pub use workload::{Input, Size, UnknownWorkload, Workload};
