//! Short-term scheduling: which ready thread of a CPU runs next, and for how long.
//!
//! # The trait
//! A [`Policy`] has three methods: [`next_to_run`](Policy::next_to_run),
//! [`push_to_queue`](Policy::push_to_queue) and [`timer_tick`](Policy::timer_tick). There are five, one
//! a file; each says in its head what it promises. A CPU's [`RunQueue`] holds one of each: a thread
//! stands in the one that its [`Share`] names, so each process can have its own.
//!
//! # Who owns what
//! A policy belongs to one CPU's run queue and is reached under that queue's lock. The part of a
//! thread's [`Share`] that the program sets may be written at any time and is read at the thread's
//! next turn; the rest is written under the lock of the queue that the thread stands in or has last
//! been taken from, by the policy alone.

mod admission;
mod cpu_queue;
mod fair;
mod feedback;
mod first_come;
mod ordered;
mod priority;
mod round_robin;
mod run_queue;
mod share;

pub use admission::{Admission, JobQueue};
pub use cpu_queue::{CpuQueue, Front};
pub use fair::Fair;
pub use feedback::Feedback;
pub use first_come::FirstCome;
pub use priority::Priority;
pub use round_robin::RoundRobin;
pub use run_queue::RunQueue;
pub use share::{PolicyKind, Share};

use crate::list::{Linked, RunLink};

/// Ticks of one quantum: 5 ms.
pub const QUANTUM_TICKS: u32 = 5;
/// Time between two ticks.
pub const TICK_NS: u64 = 1_000_000;
/// The nice values, from the one that is served best.
pub const NICE: core::ops::RangeInclusive<i32> = -20..=19;

/// A thread as policies see it.
pub trait Scheduled: Linked<RunLink> {
    /// What the scheduler keeps with the thread.
    fn share(&self) -> &Share;
    /// How long the thread has been on a CPU since it began, in nanoseconds.
    fn ran_ns(&self) -> u64;
    /// The time.
    fn now_ns(&self) -> u64;
}

/// Decides which thread runs next.
pub trait Policy<T> {
    /// Takes the thread that shall run next on `cpu`, which need not be the queue's own: a CPU without
    /// work asks others. None if no ready thread may run there.
    fn next_to_run(&mut self, cpu: u32) -> Option<T>;

    /// Makes a thread ready: one that is new, was woken, or has to make room.
    fn push_to_queue(&mut self, thread: T);

    /// Counts one tick of the running thread; true if it has to make room for another.
    fn timer_tick(&mut self, running: &T) -> bool;
}

/// What a run queue asks a policy besides.
trait Queue {
    /// Whether no thread is ready.
    fn is_empty(&self) -> bool;
}

#[cfg(all(test, not(loom)))]
mod tests;
