//! System calls about threads.

use kcore::{Ending, Errno, Tid, frame::Entry};

use super::Result;
use crate::{
    arch::{clock, cpu},
    mm::uaccess::{self, Text},
    proc::{
        exit, table,
        thread::{NAME_LEN, Start, Thread, ThreadRef},
    },
    sched::{self, wait},
};

/// exit(code): the calling thread only.
pub(super) fn exit(code: u64) -> Result {
    exit::exit_thread(code as i32)
}

/// exit_group(status): the whole process; the caller leaves on its way out.
pub(super) fn exit_group(status: u64) -> Result {
    exit::end_group(cpu::current().process(), Ending::Exited(status as i32));
    Ok(0)
}

/// gettid().
pub(super) fn gettid() -> Result {
    Ok(u64::from(cpu::current().tid()))
}

/// yield().
pub(super) fn yield_now() -> Result {
    sched::yield_now();
    Ok(0)
}

/// thread_create(name, stack end, entry, argument) → tid.
///
/// The thread starts as if it had been called with the argument; its return address is 0.
pub(super) fn create(name: u64, stack_end: u64, entry: u64, argument: u64) -> Result {
    let mut text = Text::<{ NAME_LEN + 1 }>::new();
    let name = text.copy_in(name)?;
    let own = cpu::current();
    let process = own.process();
    if !own.space().is_executable(entry) {
        return Err(Errno::EFAULT);
    }
    let stack = (stack_end & !15).wrapping_sub(8);
    uaccess::store_u64(stack, 0)?;
    let start = Start::fresh(
        Entry {
            at: entry,
            stack,
            arguments: [argument, 0],
        },
        own.mask.get(),
    );
    let (thread, tid) = table::create(process, own.space(), name, &start)?;
    sched::make_ready(thread);
    Ok(u64::from(tid.raw()))
}

/// thread_join(tid, \*code or null) → 0.
pub(super) fn join(tid: u64, code_at: u64) -> Result {
    let thread = cpu::current();
    let process = thread.process();
    let tid = tid_argument(tid)?;
    if tid.raw() == thread.tid() {
        return Err(Errno::EDEADLK);
    }
    if code_at != 0 {
        uaccess::probe(code_at, 4)?;
    }
    let cell = table::cell(tid);
    let code = cell.join(tid, process.pid(), &ThreadRef(thread), || {
        wait::pause_until(thread, wait::FOREVER)
    })?;
    if code_at != 0
        && let Err(error) = uaccess::copy_out(code_at, &code.to_ne_bytes())
    {
        cell.put_back(tid, code);
        return Err(error);
    }
    table::free_tid(process, tid);
    Ok(0)
}

/// thread_detach(tid) → 0: nobody will join it.
pub(super) fn detach(tid: u64) -> Result {
    let tid = tid_argument(tid)?;
    let process = cpu::current().process();
    if table::cell(tid).detach(tid, process.pid())? {
        table::free_tid(process, tid);
    }
    Ok(0)
}

/// The argument that means all threads of the process, ended ones included.
const ALL_THREADS: u64 = u64::MAX;

/// thread_stats(tid, or 0 for the caller, or all ones for the whole process; \*out) → 0.
pub(super) fn stats(tid: u64, out: u64) -> Result {
    let own = cpu::current();
    let now = clock::counter();
    let usage = match tid {
        0 => own.accounts().usage(now),
        ALL_THREADS => own.process().usage(),
        _ => {
            let pid = own.process().pid();
            let usage = |thread: &Thread| thread.accounts().usage(now);
            table::with(tid_argument(tid)?, pid, usage).ok_or(Errno::ESRCH)?
        }
    };
    let words = [
        usage.voluntary,
        usage.involuntary,
        clock::to_ns(usage.user),
        clock::to_ns(usage.system),
        usage.syscalls,
        usage.faults,
    ];
    uaccess::copy_out(out, words.map(u64::to_ne_bytes).as_flattened())?;
    Ok(0)
}

fn tid_argument(raw: u64) -> core::result::Result<Tid, Errno> {
    Tid::from_raw(raw as i64).ok_or(Errno::ESRCH)
}
