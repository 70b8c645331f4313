//! How a system call waits.
//!
//! # Who owns what
//! Nothing here is shared but the timers of the CPU that the wait began on, under their lock in
//! [`queue`](super::queue); the caller holds no lock.

use kcore::Pause;

use crate::{
    arch::{clock, cpu},
    proc::{
        signal,
        thread::{Thread, ThreadRef},
    },
    sched::park,
};

/// No deadline.
pub(crate) const FOREVER: u64 = u64::MAX;

/// Stops the calling thread until its next token, its deadline, a signal for it, or the end of its
/// process. [`Pause::Interrupted`] means one of the last two: the call that waits returns `EINTR`, and
/// what has come is done on the way out of the kernel.
///
/// A token may be stale: the caller looks whether its wait is over, and comes back if not.
#[inline(always)]
pub(crate) fn pause_until(thread: &'static Thread, deadline_ns: u64) -> Pause {
    // Whoever gives the thread work leaves a token with it, so the look afterwards is enough.
    if deadline_ns == FOREVER {
        park(thread);
    } else if !park_until(thread, deadline_ns) {
        return Pause::TimedOut;
    }
    if thread.has_work() && signal::interrupts_wait(thread) {
        return Pause::Interrupted;
    }
    Pause::Again
}

/// When a call that may wait for so long has to give up: the clock is read at its first pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    timeout_ns: u64,
    at_ns: Option<u64>,
}

impl Deadline {
    /// After so many nanoseconds, all ones for never.
    #[inline]
    pub(crate) fn new(timeout_ns: u64) -> Self {
        Self {
            timeout_ns,
            at_ns: None,
        }
    }

    /// The time.
    pub(crate) fn get(&mut self) -> u64 {
        if self.timeout_ns == FOREVER {
            return FOREVER;
        }
        let timeout_ns = self.timeout_ns;
        *self
            .at_ns
            .get_or_insert_with(|| clock::now_ns().saturating_add(timeout_ns))
    }
}

/// As [`pause_until`], in one place: for calls that as a rule do not wait.
#[inline(never)]
pub(crate) fn pause(thread: &'static Thread, deadline_ns: u64) -> Pause {
    pause_until(thread, deadline_ns)
}

/// Stops the thread until its next token or the deadline; false if that has passed already.
#[inline(never)]
fn park_until(thread: &'static Thread, deadline_ns: u64) -> bool {
    if clock::now_ns() >= deadline_ns {
        return false;
    }
    // The timer stays on this CPU, wherever the thread wakes up.
    let cpu = cpu::this();
    cpu.queue
        .add_timer(deadline_ns, thread.tid(), ThreadRef(thread));
    park(thread);
    cpu.queue.cancel_timer(deadline_ns, thread.tid());
    true
}

/// Stops the calling thread until its next token, whatever signals come.
pub(crate) fn until_woken(thread: &'static Thread) {
    park(thread);
}
