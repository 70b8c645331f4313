//! System calls about signals.

use kcore::{Disposition, Errno, Handler, Signal, SignalSet, Tid, UserRange, frame::TrapFrame};

use super::Result;
use crate::{
    arch::cpu,
    proc::{family, signal},
    sched::wait,
};

/// Instead of a handler: what the signal does by itself.
const DEFAULT: u64 = 0;
/// Instead of a handler: nothing.
const IGNORE: u64 = 1;

fn signal_argument(number: u64) -> core::result::Result<Signal, Errno> {
    Signal::new(number).ok_or(Errno::EINVAL)
}

/// kill(pid, signal, or 0 to ask whether one could) → 0.
pub(super) fn kill(pid: u64, number: u64) -> Result {
    let pid = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
    let Some(process) = family::find(pid) else {
        return if family::is_zombie(pid) {
            Ok(0)
        } else {
            Err(Errno::ESRCH)
        };
    };
    if !cpu::current().process().may_control(&process) {
        return Err(Errno::EPERM);
    }
    if number != 0 {
        signal::send(&process, signal_argument(number)?);
    }
    Ok(0)
}

/// tkill(tid of the caller's process, signal) → 0.
pub(super) fn tkill(tid: u64, number: u64) -> Result {
    let tid = Tid::from_raw(tid as i64).ok_or(Errno::ESRCH)?;
    let process = cpu::current().process();
    signal::send_to_thread(process, tid, signal_argument(number)?)?;
    Ok(0)
}

/// sigaction(signal, handler or 0 default or 1 ignore, mask, restorer) → the old handler, or 0 or 1.
pub(super) fn action(number: u64, entry: u64, mask: u64, restorer: u64) -> Result {
    let signal = signal_argument(number)?;
    if !signal.is_catchable() {
        return Err(Errno::EINVAL);
    }
    let new = match entry {
        DEFAULT => Disposition::Default,
        IGNORE => Disposition::Ignore,
        entry => {
            for address in [entry, restorer] {
                UserRange::new(address, 1).ok_or(Errno::EFAULT)?;
            }
            Disposition::Handle(Handler {
                entry,
                restorer,
                mask: SignalSet::blockable(mask),
            })
        }
    };
    let signals = &cpu::current().process().signals;
    let old = signals.dispositions.lock().set(signal, new);
    Ok(match old {
        Disposition::Default => DEFAULT,
        Disposition::Ignore => IGNORE,
        Disposition::Handle(handler) => handler.entry,
    })
}

/// sigmask(0 block, 1 unblock, 2 set; mask) → the old mask.
pub(super) fn mask(how: u64, mask: u64) -> Result {
    let thread = cpu::current();
    let (old, given) = (thread.mask.get(), SignalSet::blockable(mask));
    let new = match how {
        0 => old.with(given),
        1 => old.without(given),
        2 => given,
        _ => return Err(Errno::EINVAL),
    };
    signal::set_mask(thread, new);
    Ok(u64::from(old.bits()))
}

/// sigpending() → what has come and is blocked.
pub(super) fn pending() -> Result {
    let thread = cpu::current();
    Ok(u64::from(signal::all_pending(thread).bits()))
}

/// sigsuspend(mask) → `EINTR`, after a signal that the mask does not block was handled.
pub(super) fn suspend(mask: u64) -> Result {
    let thread = cpu::current();
    thread.save_mask();
    signal::set_mask(thread, SignalSet::blockable(mask));
    while wait::pause_until(thread, wait::FOREVER) != kcore::Pause::Interrupted {}
    Err(Errno::EINTR)
}

/// sigreturn(): with the stack pointer where the handler found its return address gone.
pub(super) extern "C" fn sigreturn(frame: &mut TrapFrame) {
    signal::return_from_handler(cpu::current(), frame);
}
