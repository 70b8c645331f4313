//! System calls about scheduling: whose threads run by which policy, and what all threads do and did.

use alloc::vec::Vec;

use kcore::{Errno, Tid, sched::PolicyKind};

use super::Result;
use crate::{
    arch::{clock, cpu},
    mm::uaccess,
    proc::{table, thread::Thread},
    sched, trace,
};

/// Bytes of a name in a [`thread_list`] entry; longer ones are cut.
const NAME_LEN: usize = 32;
/// Bytes of an entry.
const ENTRY_LEN: usize = 96;

/// sched_set_policy(pid, or 0 for the own process; policy) → 0.
pub(super) fn set_policy(pid: u64, policy: u64) -> Result {
    let policy = PolicyKind::from_number(policy).ok_or(Errno::EINVAL)?;
    for_process(pid, |thread| thread.share().set_policy(policy))
}

/// sched_set_nice(pid, or 0 for the own process; nice, from -20 to 19) → 0.
pub(super) fn set_nice(pid: u64, nice: u64) -> Result {
    let nice = nice_argument(nice)?;
    for_process(pid, |thread| thread.share().set_nice(nice))
}

/// sched_set_thread_nice(tid of the own process, or 0 for the caller; nice) → 0.
pub(super) fn set_thread_nice(tid: u64, nice: u64) -> Result {
    let nice = nice_argument(nice)?;
    for_own_thread(tid, |thread| thread.share().set_nice(nice))
}

fn nice_argument(nice: u64) -> core::result::Result<i32, Errno> {
    let nice = nice as i32;
    let allowed = kcore::sched::NICE.contains(&nice);
    allowed.then_some(nice).ok_or(Errno::EINVAL)
}

/// Does something to the caller, for 0, or to another thread of its process.
fn for_own_thread(tid: u64, each: impl FnOnce(&'static Thread)) -> Result {
    let own = cpu::current();
    if tid == 0 {
        each(own);
    } else {
        let tid = Tid::from_raw(tid as i64).ok_or(Errno::ESRCH)?;
        table::with(tid, own.pid(), each).ok_or(Errno::ESRCH)?;
    }
    Ok(0)
}

/// sched_set_affinity(tid of the own process, or 0 for the caller; a bit for each CPU) → 0.
///
/// The caller itself is on one of those CPUs when the call returns; another thread that runs
/// elsewhere moves within a tick.
pub(super) fn set_affinity(tid: u64, cpus: u64) -> Result {
    let running = u64::MAX >> (64 - cpu::count());
    if cpus & running == 0 {
        return Err(Errno::EINVAL);
    }
    for_own_thread(tid, |thread| thread.share().set_affinity(cpus))?;
    sched::reconsider();
    Ok(0)
}

/// thread_list(buffer of entries, how many fit) → how many threads live.
///
/// An entry is tid, pid, state, policy, nice and page faults in 32 bits each; the CPUs, voluntary and
/// involuntary switches, nanoseconds in ring 3 and in the kernel in 64 bits each; the name, cut to 32
/// bytes, zeros after it.
pub(super) fn thread_list(buffer: u64, room: u64) -> Result {
    let mut entries = Vec::new();
    // All there can be; a little at a time would be asked for without a way to refuse it.
    let most = room.min(Tid::MAX_SLOTS as u64) as usize;
    entries
        .try_reserve(most * ENTRY_LEN)
        .map_err(|_| Errno::ENOMEM)?;
    let mut count = 0;
    table::for_all(|thread| {
        if count < most as u64 {
            entries.extend_from_slice(&entry(thread));
        }
        count += 1;
    });
    uaccess::copy_out(buffer, &entries)?;
    Ok(count)
}

fn entry(thread: &Thread) -> [u8; ENTRY_LEN] {
    let usage = thread.accounts().usage(clock::counter());
    let share = thread.share();
    let short = [
        thread.tid(),
        thread.pid(),
        thread.state() as u32,
        share.policy() as u32,
        share.nice() as u32,
        u32::try_from(usage.faults).unwrap_or(u32::MAX),
    ];
    let long = [
        share.affinity(),
        usage.voluntary,
        usage.involuntary,
        clock::to_ns(usage.user),
        clock::to_ns(usage.system),
    ];
    let mut entry = [0; ENTRY_LEN];
    let (numbers, name) = entry.split_at_mut(ENTRY_LEN - NAME_LEN);
    numbers[..24].copy_from_slice(short.map(u32::to_ne_bytes).as_flattened());
    numbers[24..].copy_from_slice(long.map(u64::to_ne_bytes).as_flattened());
    let own_name = thread.name();
    let len = own_name.len().min(NAME_LEN);
    name[..len].copy_from_slice(&own_name.as_bytes()[..len]);
    entry
}

/// trace_switch(1 begins a recording, 0 ends it) → 0.
pub(super) fn trace_switch(on: u64) -> Result {
    match on {
        0 => trace::end(),
        1 => trace::begin()?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// trace_read(cpu; buffer of entries, two words each; how many fit) → how many there are.
///
/// # Errors
/// `EINVAL` for a CPU that is not there; `ENOMEM`.
pub(super) fn trace_read(cpu: u64, buffer: u64, room: u64) -> Result {
    let cpu = u32::try_from(cpu).map_err(|_| Errno::EINVAL)?;
    let entries = trace::read(cpu)?;
    let fit = entries
        .len()
        .min(usize::try_from(room).unwrap_or(usize::MAX));
    let mut at = buffer;
    for entry in entries.iter().take(fit) {
        let words = entry.to_words().map(u64::to_ne_bytes);
        uaccess::copy_out(at, words.as_flattened())?;
        at += 16;
    }
    Ok(entries.len() as u64)
}

/// trace_write(buffer, n): sends bytes over the second serial line → how many.
///
/// # Errors
/// `EIO` if the machine has no such line.
pub(super) fn trace_write(buffer: u64, len: u64) -> Result {
    let mut piece = [0; 512];
    let len = len.min(piece.len() as u64) as usize;
    uaccess::copy_in(buffer, &mut piece[..len])?;
    if !trace::send(&piece[..len]) {
        return Err(Errno::EIO);
    }
    Ok(len as u64)
}

/// Does something to all threads of a process.
fn for_process(pid: u64, mut each: impl FnMut(&'static Thread)) -> Result {
    let pid = match pid {
        0 => cpu::current().pid(),
        _ => u32::try_from(pid).map_err(|_| Errno::ESRCH)?,
    };
    let mut found = false;
    table::for_each(pid, |thread| {
        found = true;
        each(thread);
    });
    sched::reconsider();
    if found { Ok(0) } else { Err(Errno::ESRCH) }
}
