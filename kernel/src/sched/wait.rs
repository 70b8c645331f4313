//! How a system call waits.

use kcore::Pause;

use crate::{
    arch::{clock, cpu},
    sched::park,
};

/// No deadline.
pub(crate) const FOREVER: u64 = u64::MAX;

/// Stops the calling thread until its next token, its deadline, or the end of its process.
///
/// A token may be stale: the caller looks whether its wait is over, and comes back if not.
#[inline]
pub(crate) fn pause_until(deadline_ns: u64) -> Pause {
    let thread = cpu::current();
    if thread.must_leave() {
        return Pause::Interrupted;
    }
    if deadline_ns == FOREVER {
        park();
    } else {
        if clock::now_ns() >= deadline_ns {
            return Pause::TimedOut;
        }
        // The timer stays on this CPU, wherever the thread wakes up.
        let cpu = cpu::this();
        cpu.queue.add_timer(deadline_ns, thread);
        park();
        cpu.queue.cancel_timer(deadline_ns, thread);
    }
    if thread.must_leave() {
        return Pause::Interrupted;
    }
    Pause::Again
}
