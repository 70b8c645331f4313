//! How a system call waits.

use kcore::Pause;

use crate::{
    arch::{clock, cpu},
    proc::{signal, thread::Thread},
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
    if thread.has_work() && signal::interrupts_wait(thread) {
        return Pause::Interrupted;
    }
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

/// Stops the thread until its next token or the deadline; false if that has passed already.
#[inline(never)]
fn park_until(thread: &'static Thread, deadline_ns: u64) -> bool {
    if clock::now_ns() >= deadline_ns {
        return false;
    }
    // The timer stays on this CPU, wherever the thread wakes up.
    let cpu = cpu::this();
    cpu.queue.add_timer(deadline_ns, thread);
    park(thread);
    cpu.queue.cancel_timer(deadline_ns, thread);
    true
}

/// Stops the calling thread until its next token, whatever signals come.
pub(crate) fn until_woken(thread: &'static Thread) {
    park(thread);
}
