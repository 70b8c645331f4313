//! System calls about processes.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use kcore::{Errno, Resource, UserRange, Which, frame::TrapFrame};

use super::Result;
use crate::{
    arch::cpu,
    mm::{
        heap,
        uaccess::{self, Text},
    },
    proc::{exec, family, fork},
    sched,
    syscall::file::PATH_LEN,
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
    let child = match heap::has_room() {
        true => fork::fork(cpu::current(), &frame),
        false => Err(Errno::ENOMEM),
    };
    match child {
        Ok(child) => u64::from(child),
        Err(errno) => errno.to_result(),
    }
}

/// The most arguments of a program.
const ARGUMENTS: usize = 1024;
/// The greatest length of all of them.
const ARGUMENTS_LEN: usize = 32 << 10;

/// The words at `argv`, a table of addresses that ends with 0; none if `argv` is 0.
fn arguments(argv: u64) -> core::result::Result<Vec<Vec<u8>>, Errno> {
    let mut words = Vec::new();
    let mut buffer = Vec::new();
    buffer
        .try_reserve_exact(ARGUMENTS_LEN)
        .map_err(|_| Errno::ENOMEM)?;
    buffer.resize(ARGUMENTS_LEN, MaybeUninit::uninit());
    let mut left = ARGUMENTS_LEN;
    if argv == 0 {
        return Ok(words);
    }
    loop {
        let mut address = [0; 8];
        uaccess::copy_in(argv + words.len() as u64 * 8, &mut address)?;
        let address = u64::from_ne_bytes(address);
        if address == 0 {
            return Ok(words);
        }
        let word = match uaccess::copy_text(address, &mut buffer[..left]) {
            Err(Errno::ENAMETOOLONG) => return Err(Errno::E2BIG),
            other => other?,
        };
        if words.len() == ARGUMENTS || word.len() + 1 >= left {
            return Err(Errno::E2BIG);
        }
        left -= word.len() + 1;
        let mut copy = Vec::new();
        copy.try_reserve_exact(word.len())
            .and_then(|()| words.try_reserve(1))
            .map_err(|_| Errno::ENOMEM)?;
        copy.extend_from_slice(word);
        words.push(copy);
    }
}

/// spawn(path, argv) → the number of a child that runs the program.
pub(super) fn spawn(path: u64, argv: u64) -> Result {
    let mut text = Text::<PATH_LEN>::new();
    let path = text.copy_in(path)?;
    let words = arguments(argv)?;
    exec::spawn(cpu::current(), path, &words).map(u64::from)
}

/// exec(path, argv): the program takes the place of the caller's; returns only an error.
pub(super) extern "C" fn exec(path: u64, argv: u64, frame: &mut TrapFrame) -> u64 {
    let mut run = || {
        if !heap::has_room() {
            return Err(Errno::ENOMEM);
        }
        let mut text = Text::<PATH_LEN>::new();
        let path = text.copy_in(path)?;
        let words = arguments(argv)?;
        exec::exec(cpu::current(), path, &words, frame)
    };
    match run() {
        Ok(()) => 0,
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

/// getrlimit(0 CPU time in ns, 1 bytes of mappings, 2 descriptors, 3 threads; \*out: soft, hard) → 0.
pub(super) fn getrlimit(number: u64, out: u64) -> Result {
    let resource = Resource::from_number(number).ok_or(Errno::EINVAL)?;
    let limits = &cpu::current().process().limits;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&limits.soft(resource).to_ne_bytes());
    bytes[8..].copy_from_slice(&limits.hard(resource).to_ne_bytes());
    uaccess::copy_out(out, &bytes)?;
    Ok(0)
}

/// setrlimit(resource, \*in: soft, hard; all ones for none) → 0; the hard one rises for user 0 only.
pub(super) fn setrlimit(number: u64, from: u64) -> Result {
    let resource = Resource::from_number(number).ok_or(Errno::EINVAL)?;
    let mut words = [[0; 8]; 2];
    uaccess::copy_in(from, words.as_flattened_mut())?;
    let [soft, hard] = words.map(u64::from_ne_bytes);
    let process = cpu::current().process();
    let may_raise = process.uid() == 0;
    process.limits.set(resource, soft, hard, may_raise)?;
    if resource == Resource::Descriptors {
        process.files.lock().set_limit(soft);
    }
    Ok(0)
}

/// set_thread_pointer(base) → 0: the calling thread's `fs` base, as WRFSBASE sets it.
pub(super) fn set_thread_pointer(base: u64) -> Result {
    UserRange::new(base, 1).ok_or(Errno::EFAULT)?;
    let [_, gs] = sched::own_user_bases();
    sched::set_own_user_bases([base, gs]);
    Ok(0)
}
