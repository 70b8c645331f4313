//! System calls that wait on a word of user memory.
//!
//! # Who owns what
//! Each bucket of `TABLE` has its own lock, held while a word is looked at and a queue changed, never
//! while a page is made or a thread woken.

use kcore::{Errno, FutexKey, FutexTable, WaitEnd};

use super::Result;
use crate::{
    arch::cpu,
    mm::{
        address_space,
        uaccess::{NotThere, UserWord},
    },
    proc::thread::{Thread, ThreadRef},
    sched::wait::{self, Deadline},
};

const BUCKETS: usize = 256;

static TABLE: FutexTable<ThreadRef, BUCKETS> = FutexTable::new();

/// Numbers of address spaces start at 1: this one means memory that several have.
const SHARED: u32 = 0;

/// Names the word by its address, or in a shared mapping by where it lies for all.
fn key(thread: &Thread, word: UserWord) -> FutexKey {
    if address_space::may_share(thread)
        && let Some(address) = thread.space().shared_place(word.address())
    {
        return FutexKey {
            space: SHARED,
            address,
        };
    }
    own_key(thread, word.address())
}

#[inline(always)]
fn own_key(thread: &Thread, address: u64) -> FutexKey {
    FutexKey {
        space: thread.space_number(),
        address,
    }
}

/// futex_wait(\*word, expected, timeout in ns, all ones for none) → 0.
pub(super) fn wait(word: u64, expected: u64, timeout_ns: u64) -> Result {
    let word = UserWord::new(word)?;
    let thread = cpu::current();
    if timeout_ns != wait::FOREVER || address_space::may_share(thread) {
        return wait_rarely(word, expected, timeout_ns);
    }
    let waited = TABLE.wait(
        own_key(thread, word.address()),
        &ThreadRef(thread),
        || word.has(expected as u32),
        || wait::pause_until(thread, wait::FOREVER),
    );
    match waited {
        Ok(end) => result(end),
        Err(NotThere) => wait_rarely(word, expected, timeout_ns),
    }
}

/// As [`wait`], where there is something to look at.
#[inline(never)]
fn wait_rarely(word: UserWord, expected: u64, timeout_ns: u64) -> Result {
    let thread = cpu::current();
    let mut deadline = Deadline::new(timeout_ns);
    let until = deadline.get();
    loop {
        let waited = TABLE.wait(
            key(thread, word),
            &ThreadRef(thread),
            || word.has(expected as u32),
            || wait::pause(thread, until),
        );
        match waited {
            Ok(end) => return result(end),
            // Make the page, without the bucket's lock, and try again.
            Err(NotThere) => word.load()?,
        };
    }
}

#[inline(always)]
fn result(end: WaitEnd) -> Result {
    match end {
        WaitEnd::Woken => Ok(0),
        WaitEnd::Changed => Err(Errno::EAGAIN),
        WaitEnd::TimedOut => Err(Errno::ETIMEDOUT),
        WaitEnd::Interrupted => Err(Errno::EINTR),
    }
}

/// futex_wake(\*word, n) → how many were woken.
pub(super) fn wake(word: u64, n: u64) -> Result {
    let word = UserWord::new(word)?;
    let n = n as u32 as usize;
    let thread = cpu::current();
    let woken = if address_space::may_share(thread) {
        wake_shared(thread, word, n)
    } else {
        TABLE.wake(own_key(thread, word.address()), n)
    };
    if woken == 0 {
        word.check()?;
    }
    Ok(woken as u64)
}

#[inline(never)]
fn wake_shared(thread: &Thread, word: UserWord, n: usize) -> usize {
    TABLE.wake(key(thread, word), n)
}
