//! The queue between those who spawn and the workers.
//!
//! First in, first out, unbounded (the [bound](crate::bound) is beside it), any number of
//! producers and consumers. It never blocks a consumer: sleeping is [`sleep`](crate::sleep)'s.
//!
//! Three kinds can be chosen, so that they can be compared. The default one is made of the
//! family's own locks, so that loom checks the very queue that runs; the channels of std and
//! crossbeam, which loom cannot see into, are left out there.

#[cfg(not(loom))]
mod channel;
mod locked;
#[cfg(not(loom))]
mod mpsc;

use exec_core::SmallJob;

/// Which queue the pool takes its jobs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Queue {
    /// Two buffers behind a lock each, one filled while the other is emptied. The default: the
    /// cheapest for small jobs, and as good as any for others.
    #[default]
    Locked,
    /// `std::sync::mpsc` with its receiver behind a lock: the textbook's.
    Mpsc,
    /// `crossbeam-channel`, whose consumers need no lock.
    Crossbeam,
}

/// The queue of one pool.
#[derive(Debug)]
pub(crate) enum Jobs {
    Locked(locked::Locked),
    #[cfg(not(loom))]
    Mpsc(mpsc::Mpsc),
    #[cfg(not(loom))]
    Channel(channel::Channel),
}

/// Calls the same method of whichever queue it is.
macro_rules! each {
    ($jobs:expr, $queue:ident => $call:expr) => {
        match $jobs {
            Jobs::Locked($queue) => $call,
            #[cfg(not(loom))]
            Jobs::Mpsc($queue) => $call,
            #[cfg(not(loom))]
            Jobs::Channel($queue) => $call,
        }
    };
}

impl Jobs {
    pub(crate) fn new(kind: Queue) -> Self {
        match kind {
            #[cfg(not(loom))]
            Queue::Mpsc => Self::Mpsc(mpsc::Mpsc::new()),
            #[cfg(not(loom))]
            Queue::Crossbeam => Self::Channel(channel::Channel::new()),
            _ => Self::Locked(locked::Locked::new()),
        }
    }

    /// Makes a job and adds it at the end. `make` must be no more than a move: it may run under a
    /// lock.
    ///
    /// # Memory ordering
    /// Between this and what the caller reads next lies a fence: either a consumer that finds
    /// the queue empty behind a fence of its own has missed nothing, or the caller sees what that
    /// consumer had written before its fence.
    #[inline(always)]
    pub(crate) fn push(&self, make: impl FnOnce() -> SmallJob) {
        match self {
            Self::Locked(queue) => queue.push(make),
            #[cfg(not(loom))]
            Self::Mpsc(queue) => queue.push(make()),
            #[cfg(not(loom))]
            Self::Channel(queue) => queue.push(make()),
        }
    }

    /// Moves the first job into the empty `slot`; `false` when there is none. A job whose `push`
    /// has returned is never missed.
    #[inline]
    pub(crate) fn pop(&self, slot: &mut Option<SmallJob>) -> bool {
        debug_assert!(
            slot.is_none(),
            "invariant: a job is run before the next is taken"
        );
        each!(self, queue => queue.pop(slot))
    }

    /// Whether there is no job; as sure as `pop`.
    pub(crate) fn is_empty(&self) -> bool {
        each!(self, queue => queue.is_empty())
    }
}
