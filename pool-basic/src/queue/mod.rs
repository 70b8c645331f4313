//! The queue between those who spawn and the workers.
//!
//! First in, first out, unbounded (the [bound](crate::bound) is beside it), any number of
//! producers and consumers. It never blocks a consumer: sleeping is [`sleep`](crate::sleep)'s.
//!
//! Two kinds can be chosen, so that they can be compared. Under loom both give way to a lock
//! around a deque, since loom sees neither std's channel nor crossbeam's: what the models check
//! is our own protocol around the queue.

#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod mpsc;
#[cfg(loom)]
mod spec;

use exec_core::Job;

/// Which queue the pool takes its jobs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Queue {
    /// `std::sync::mpsc` with its receiver behind a lock: the classic, and the default.
    #[default]
    Mpsc,
    /// `crossbeam-channel`, whose consumers need no lock: better when many workers take jobs of
    /// well under a microsecond.
    Crossbeam,
}

/// The queue of one pool.
#[cfg_attr(
    not(loom),
    expect(clippy::large_enum_variant, reason = "there is one of it in a pool")
)]
#[derive(Debug)]
pub(crate) enum Jobs {
    #[cfg(not(loom))]
    Mpsc(mpsc::Mpsc),
    #[cfg(not(loom))]
    Channel(channel::Channel),
    #[cfg(loom)]
    Spec(spec::Spec),
}

/// Calls the same method of whichever queue it is.
macro_rules! each {
    ($jobs:expr, $queue:ident => $call:expr) => {
        match $jobs {
            #[cfg(not(loom))]
            Jobs::Mpsc($queue) => $call,
            #[cfg(not(loom))]
            Jobs::Channel($queue) => $call,
            #[cfg(loom)]
            Jobs::Spec($queue) => $call,
        }
    };
}

impl Jobs {
    #[cfg(not(loom))]
    pub(crate) fn new(kind: Queue) -> Self {
        match kind {
            Queue::Mpsc => Self::Mpsc(mpsc::Mpsc::new()),
            Queue::Crossbeam => Self::Channel(channel::Channel::new()),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new(_: Queue) -> Self {
        Self::Spec(spec::Spec::new())
    }

    /// Adds a job at the end.
    #[inline]
    pub(crate) fn push(&self, job: Job) {
        each!(self, queue => queue.push(job));
    }

    /// Takes the first job; a job whose `push` has returned is never missed.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Job> {
        each!(self, queue => queue.pop())
    }

    /// Whether there is no job; as sure as `pop`.
    pub(crate) fn is_empty(&self) -> bool {
        each!(self, queue => queue.is_empty())
    }
}
