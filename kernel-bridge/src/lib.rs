//! The grounds a scheduler stands on (host threads, kernel system calls) and the 1:1 executor.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(all(feature = "kernel", target_arch = "x86_64"))]
pub mod kernel;
