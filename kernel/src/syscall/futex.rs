//! System calls that wait on a word of user memory.
//!
//! # Who owns what
//! Each bucket of `TABLE` has its own lock, held while a word is looked at and a queue changed, never
//! while a page is made or a thread woken.

use kcore::{FutexKey, FutexTable, WaitEnd};

use super::Result;
use crate::{
    arch::{clock, cpu},
    mm::{
        address_space,
        uaccess::{NotThere, UserWord},
    },
    proc::thread::{Thread, ThreadRef},
    sched::wait,
    syscall::errno::Errno,
};

const BUCKETS: usize = 256;

static TABLE: FutexTable<ThreadRef, BUCKETS> = FutexTable::new();

/// Numbers of address spaces start at 1: this one means memory that several have.
const SHARED: u32 = 0;

/// Names the word by its address, or in a shared mapping by where it lies for all.
#[inline(always)]
fn key(thread: &Thread, word: UserWord) -> FutexKey {
    if address_space::may_share(thread) {
        return key_if_shared(thread, word.address());
    }
    FutexKey {
        space: thread.space_number(),
        address: word.address(),
    }
}

#[cold]
#[inline(never)]
fn key_if_shared(thread: &Thread, address: u64) -> FutexKey {
    match thread.space().shared_place(address) {
        None => FutexKey {
            space: thread.space_number(),
            address,
        },
        Some(address) => FutexKey {
            space: SHARED,
            address,
        },
    }
}

/// futex_wait(\*word, expected, timeout in ns, all ones for none) → 0.
pub(super) fn wait(word: u64, expected: u64, timeout_ns: u64) -> Result {
    let word = UserWord::new(word)?;
    let deadline = match timeout_ns {
        wait::FOREVER => wait::FOREVER,
        ns => clock::now_ns().saturating_add(ns),
    };
    let thread = cpu::current();
    loop {
        let end = TABLE.wait(
            key(thread, word),
            &ThreadRef(thread),
            || word.has(expected as u32),
            || wait::pause_until(thread, deadline),
        );
        return match end {
            Ok(WaitEnd::Woken) => Ok(0),
            Ok(WaitEnd::Changed) => Err(Errno::EAGAIN),
            Ok(WaitEnd::TimedOut) => Err(Errno::ETIMEDOUT),
            Ok(WaitEnd::Interrupted) => Err(Errno::EINTR),
            Err(NotThere) => {
                // Make the page, without the bucket's lock, and try again.
                word.load()?;
                continue;
            }
        };
    }
}

/// futex_wake(\*word, n) → how many were woken.
pub(super) fn wake(word: u64, n: u64) -> Result {
    let word = UserWord::new(word)?;
    let n = n as u32 as usize;
    Ok(TABLE.wake(key(cpu::current(), word), n) as u64)
}
