//! The ground of our own kernel: its system calls, what is built on them, and nothing of libc.
//!
//! From the bottom up: [`syscall`], [`file`] and [`object`] (the calls as functions), [`futex`]
//! (waiting on a word of memory: a lock and a one-thread token), stacks, threads, and [`Kernel`],
//! which makes a ground of them.

pub mod file;
pub mod futex;
mod ground;
pub mod object;
pub mod schedule;
mod stack;
pub mod syscall;
mod thread;
pub mod trace;

pub use ground::Kernel;
pub use thread::Thread;
