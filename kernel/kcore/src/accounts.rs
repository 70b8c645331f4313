//! What threads have used: time in ring 3 and in the kernel, switches, system calls, page faults.
//!
//! # Who owns what
//! A thread's accounts are written by the thread, and by who switches from or to it; all may read them.
//! A process has one more, the sum over its ended threads, to which each adds when it ends.
//!
//! # Protocol
//! Times are steps of one counter that all CPUs agree about. Each is kept with one addition a
//! crossing: what begins subtracts the counter, what ends adds it. So while a thread is in ring 3
//! `user` is negative, and while it is on a CPU `total` is (all it has used is less than the counter was
//! at the beginning), and a reader adds the counter.

use core::mem::offset_of;

use crate::sync::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Accounts {
    user: AtomicU64,
    syscalls: AtomicU64,
    total: AtomicU64,
    voluntary: AtomicU64,
    involuntary: AtomicU64,
    faults: AtomicU64,
}

/// What was used up to some moment, in steps of the counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Switches that the thread asked for: it waited or yielded.
    pub voluntary: u64,
    /// Switches that it did not ask for.
    pub involuntary: u64,
    /// Time in ring 3.
    pub user: u64,
    /// Time in the kernel.
    pub system: u64,
    /// System calls.
    pub syscalls: u64,
    /// Page faults that were served: the page was made or copied.
    pub faults: u64,
}

impl core::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
        self.user += other.user;
        self.system += other.system;
        self.syscalls += other.syscalls;
        self.faults += other.faults;
    }
}

/// Adds to an account that only the caller writes.
#[inline(always)]
fn add(account: &AtomicU64, amount: u64) {
    // ORDERING: Relaxed: one writer; readers want a recent value, no more.
    let value = account.load(Ordering::Relaxed).wrapping_add(amount);
    account.store(value, Ordering::Relaxed);
}

/// A time that may be going on.
#[inline]
fn up_to(account: &AtomicU64, now: u64) -> u64 {
    // ORDERING: Relaxed: a recent value.
    match account.load(Ordering::Relaxed).cast_signed() {
        // Of a thread on another CPU, it may have begun after the reader looked at the clock.
        going_on @ ..0 => going_on.wrapping_add_unsigned(now).max(0).cast_unsigned(),
        settled => settled.cast_unsigned(),
    }
}

impl Accounts {
    /// Where the system-call entry finds the fields that it changes.
    pub const USER_OFFSET: usize = offset_of!(Self, user);
    /// As [`USER_OFFSET`](Self::USER_OFFSET).
    pub const SYSCALLS_OFFSET: usize = offset_of!(Self, syscalls);

    fn all(&self) -> [&AtomicU64; 6] {
        [
            &self.user,
            &self.syscalls,
            &self.total,
            &self.voluntary,
            &self.involuntary,
            &self.faults,
        ]
    }

    /// Starts at zero.
    #[inline]
    pub fn clear(&self) {
        for account in self.all() {
            // ORDERING: Relaxed: the thread has not started.
            account.store(0, Ordering::Relaxed);
        }
    }

    /// The thread has come out of ring 3.
    #[inline(always)]
    pub fn enter_kernel(&self, now: u64) {
        add(&self.user, now);
    }

    /// The thread goes into ring 3.
    #[inline(always)]
    pub fn enter_user(&self, now: u64) {
        add(&self.user, now.wrapping_neg());
    }

    /// The thread begins to run.
    #[inline(always)]
    pub fn start(&self, now: u64) {
        add(&self.total, now.wrapping_neg());
    }

    /// The thread stops to run.
    #[inline(always)]
    pub fn stop(&self, now: u64) {
        add(&self.total, now);
    }

    /// It waited or yielded.
    #[inline]
    pub fn count_voluntary(&self) {
        add(&self.voluntary, 1);
    }

    /// The CPU was taken from it.
    #[inline]
    pub fn count_involuntary(&self) {
        add(&self.involuntary, 1);
    }

    /// A page was made for it.
    #[inline]
    pub fn count_fault(&self) {
        add(&self.faults, 1);
    }

    /// Time on a CPU.
    #[inline]
    pub fn ran(&self, now: u64) -> u64 {
        up_to(&self.total, now)
    }

    /// The accounts as they are.
    pub fn usage(&self, now: u64) -> Usage {
        // ORDERING: Relaxed: each is a recent value by itself.
        let read = |account: &AtomicU64| account.load(Ordering::Relaxed);
        let user = up_to(&self.user, now);
        Usage {
            voluntary: read(&self.voluntary),
            involuntary: read(&self.involuntary),
            user,
            // Of another thread that runs, one may be read a moment later than the other.
            system: self.ran(now).saturating_sub(user),
            syscalls: read(&self.syscalls),
            faults: read(&self.faults),
        }
    }

    /// Moves the accounts of the running thread to a sum, as one of its last acts.
    #[inline]
    pub fn hand_over(&self, sum: &Self, now: u64) {
        self.stop(now);
        for (own, sum) in self.all().into_iter().zip(sum.all()) {
            // ORDERING: Relaxed: figures only. Emptied before they are added, so that a reader may
            // miss what is on its way but never counts it twice.
            let amount = own.load(Ordering::Relaxed);
            own.store(0, Ordering::Relaxed);
            sum.fetch_add(amount, Ordering::Relaxed);
        }
        self.start(now);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reader_with_an_old_clock_sees_nothing_rather_than_much() {
        let accounts = Accounts::default();
        accounts.start(1000);
        accounts.enter_user(1010);
        let usage = accounts.usage(990);
        assert_eq!((usage.user, usage.system), (0, 0));
        accounts.enter_kernel(1110);
        accounts.enter_user(1200);
        let usage = accounts.usage(1190);
        assert_eq!((usage.user, usage.system), (90, 100));
    }

    #[test]
    fn a_reader_sees_what_is_going_on() {
        let accounts = Accounts::default();
        accounts.start(1000);
        assert_eq!(accounts.ran(1040), 40);
        accounts.enter_user(1100);
        accounts.count_fault();
        let usage = accounts.usage(1150);
        assert_eq!((usage.user, usage.system, usage.faults), (50, 100, 1));
        accounts.enter_kernel(1200);
        accounts.count_voluntary();
        accounts.stop(1210);
        // Off the CPU, no time passes.
        let usage = accounts.usage(9999);
        assert_eq!((usage.user, usage.system, usage.voluntary), (100, 110, 1));
        assert_eq!(accounts.ran(9999), 210);
    }

    #[test]
    fn nothing_is_counted_twice_when_a_thread_ends() {
        let (own, sum) = (Accounts::default(), Accounts::default());
        own.start(100);
        own.enter_user(110);
        own.enter_kernel(150);
        own.count_involuntary();
        own.hand_over(&sum, 160);
        let all = sum.usage(160);
        assert_eq!((all.user, all.system, all.involuntary), (40, 20, 1));
        // What it still does is little, and nobody's.
        assert_eq!(own.usage(160), Usage::default());
        own.stop(165);
        own.clear();
        assert_eq!(own.ran(1000), 0);
        let mut both = all;
        both += own.usage(1000);
        assert_eq!(both, all);
    }
}
