//! System calls that wait on a word of user memory.

use kcore::{FutexKey, FutexTable, WaitEnd};

use super::Result;
use crate::{
    arch::{clock, cpu},
    mm::uaccess,
    proc::thread::ThreadRef,
    sched::wait,
    syscall::errno::Errno,
};

const BUCKETS: usize = 256;

static TABLE: spin::Once<FutexTable<ThreadRef>> = spin::Once::new();

/// Makes the table.
pub(crate) fn init() {
    TABLE.call_once(|| FutexTable::new(BUCKETS));
}

#[inline]
fn table() -> &'static FutexTable<ThreadRef> {
    TABLE
        .get()
        .expect("invariant: the table is made before any thread")
}

#[inline]
fn key(address: u64) -> FutexKey {
    FutexKey {
        space: cpu::current().process().space().number(),
        address,
    }
}

/// futex_wait(\*word, expected, timeout in ns, all ones for none) → 0.
pub(super) fn wait(word: u64, expected: u64, timeout_ns: u64) -> Result {
    // Made before the bucket's lock is taken, so that the load under it has no page to make.
    uaccess::load_u32(word)?;
    let deadline = match timeout_ns {
        wait::FOREVER => wait::FOREVER,
        ns => clock::now_ns().saturating_add(ns),
    };
    let end = table().wait(
        key(word),
        &ThreadRef(cpu::current()),
        || Ok(uaccess::load_u32(word)? == expected as u32),
        || wait::pause_until(deadline),
    )?;
    match end {
        WaitEnd::Woken => Ok(0),
        WaitEnd::Changed => Err(Errno::EAGAIN),
        // The interrupted thread never sees it: it leaves on its way out.
        WaitEnd::TimedOut | WaitEnd::Interrupted => Err(Errno::ETIMEDOUT),
    }
}

/// futex_wake(\*word, n) → how many were woken.
pub(super) fn wake(word: u64, n: u64) -> Result {
    if !word.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    kcore::UserRange::new(word, 4).ok_or(Errno::EFAULT)?;
    let n = usize::try_from(n as u32).unwrap_or(usize::MAX);
    Ok(table().wake(key(word), n) as u64)
}
