//! The ground of our own kernel: its system calls, what is built on them, and nothing of libc.
//!
//! From the bottom up: [`syscall`] (the calls as functions), [`futex`] (waiting on a word of memory:
//! a lock and a one-thread token).

pub mod futex;
pub mod syscall;
