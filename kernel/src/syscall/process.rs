//! System calls about processes.

use kcore::Which;

use super::Result;
use crate::{
    arch::cpu,
    mm::uaccess,
    proc::{family, fork},
    syscall::errno::Errno,
    trap::frame::TrapFrame,
};

/// fork() → the child's number, and 0 in the child.
///
/// `frame` has the registers that Rust preserves, which other calls leave out.
pub(super) extern "C" fn fork(frame: &TrapFrame) -> u64 {
    let frame = TrapFrame {
        rax: 0,
        rcx: 0,
        r11: 0,
        vector: 0,
        error: 0,
        ..*frame
    };
    match fork::fork(cpu::current(), &frame) {
        Ok(child) => u64::from(child),
        Err(errno) => errno.to_result(),
    }
}

/// Do not wait.
const NO_HANG: u64 = 1 << 0;
/// Stops and goings-on are news, too.
const STOPS: u64 = 1 << 1;

/// waitpid(pid or -1, \*news, options) → the child's number, or 0 if there are no news.
///
/// The news are two words: what has come (0 exited, 1 faulted, 2 killed, 3 stopped, 4 goes on), and
/// the status or the signal.
pub(super) fn waitpid(pid: u64, news_at: u64, options: u64) -> Result {
    let thread = cpu::current();
    let which = match pid as i64 {
        -1 => Which::Any,
        pid => Which::One(
            u32::try_from(pid)
                .ok()
                .filter(|pid| *pid > 0)
                .ok_or(Errno::ECHILD)?,
        ),
    };
    if options & !(NO_HANG | STOPS) != 0 {
        return Err(Errno::EINVAL);
    }
    if news_at != 0 && !thread.space().is_writable(news_at, 8) {
        return Err(Errno::EFAULT);
    }
    let waited = family::wait(thread, which, options & STOPS != 0, options & NO_HANG == 0)?;
    let Some((pid, news)) = waited else {
        return Ok(0);
    };
    let [what, value] = news.to_words().map(|word| u64::from(word as u32));
    if news_at != 0
        && let Err(error) = uaccess::copy_out(news_at, &(value << 32 | what).to_ne_bytes())
    {
        family::put_back(thread.process(), pid, news);
        return Err(error);
    }
    Ok(u64::from(pid))
}

/// getpid().
pub(super) fn getpid() -> Result {
    Ok(u64::from(cpu::current().process().pid()))
}

/// getppid() → 0 for the first process.
pub(super) fn getppid() -> Result {
    Ok(u64::from(family::parent_of(cpu::current().process().pid())))
}

/// getuid().
pub(super) fn getuid() -> Result {
    Ok(u64::from(cpu::current().process().uid()))
}

/// setuid(uid) → 0; to another than one's own for user 0 only.
pub(super) fn setuid(uid: u64) -> Result {
    let process = cpu::current().process();
    let uid = identity(uid, process.uid(), process.uid())?;
    process.set_uid(uid);
    Ok(0)
}

/// getgid().
pub(super) fn getgid() -> Result {
    Ok(u64::from(cpu::current().process().gid()))
}

/// setgid(gid) → 0; to another than one's own for user 0 only.
pub(super) fn setgid(gid: u64) -> Result {
    let process = cpu::current().process();
    let gid = identity(gid, process.gid(), process.uid())?;
    process.set_gid(gid);
    Ok(0)
}

fn identity(wanted: u64, own: u32, uid: u32) -> core::result::Result<u32, Errno> {
    let wanted = u32::try_from(wanted).map_err(|_| Errno::EINVAL)?;
    if uid != 0 && wanted != own {
        return Err(Errno::EPERM);
    }
    Ok(wanted)
}
