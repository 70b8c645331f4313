//! What threads have used: time in ring 3 and in the kernel, switches, system calls.
//!
//! # Who owns what
//! A thread's accounts are written by the thread, and read by all. A process has one more, the sum
//! over its ended threads, to which each adds when it ends.
//!
//! # Protocol
//! `user` is kept with one addition a crossing: the way into the kernel adds the counter, the way out
//! subtracts it. So while the thread is in ring 3 the value is negative (all it has used is less than
//! the counter was at the start), and a reader adds the counter. `total` grows at each switch away.

use core::{
    mem::offset_of,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::arch::clock;

/// See the module. Times are in steps of the clock's counter.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Accounts {
    user: AtomicU64,
    syscalls: AtomicU64,
    total: AtomicU64,
    voluntary: AtomicU64,
    involuntary: AtomicU64,
}

/// What `thread_stats` hands to a program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadStats {
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
    pub(crate) user_ns: u64,
    pub(crate) system_ns: u64,
    pub(crate) syscalls: u64,
}

/// Where the system-call entry finds the fields it changes.
pub(crate) const USER_OFFSET: usize = offset_of!(Accounts, user);
pub(crate) const SYSCALLS_OFFSET: usize = offset_of!(Accounts, syscalls);

/// Adds to an account that only the caller writes.
#[inline(always)]
fn add(account: &AtomicU64, amount: u64) {
    // ORDERING: Relaxed: one writer; readers want a recent value, no more.
    let value = account.load(Ordering::Relaxed).wrapping_add(amount);
    account.store(value, Ordering::Relaxed);
}

impl Accounts {
    fn all(&self) -> [&AtomicU64; 5] {
        [
            &self.user,
            &self.syscalls,
            &self.total,
            &self.voluntary,
            &self.involuntary,
        ]
    }

    /// Starts at zero.
    pub(super) fn clear(&self) {
        for account in self.all() {
            // ORDERING: Relaxed: the thread has not started.
            account.store(0, Ordering::Relaxed);
        }
    }

    /// The thread has come out of ring 3.
    #[inline(always)]
    pub(crate) fn enter_kernel(&self) {
        add(&self.user, clock::counter());
    }

    /// The thread goes into ring 3.
    #[inline(always)]
    pub(crate) fn enter_user(&self) {
        add(&self.user, clock::counter().wrapping_neg());
    }

    /// The thread has been on a CPU for `steps`.
    #[inline]
    pub(super) fn add_total(&self, steps: u64) {
        add(&self.total, steps);
    }

    /// Time on a CPU, in steps, up to the last switch away.
    pub(super) fn total(&self) -> u64 {
        // ORDERING: Relaxed: a recent value.
        self.total.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn count_voluntary(&self) {
        add(&self.voluntary, 1);
    }

    #[inline]
    pub(crate) fn count_involuntary(&self) {
        add(&self.involuntary, 1);
    }

    /// The accounts as they are, for a thread that has been on its CPU for `running` steps since
    /// `total` was brought up to date.
    pub(super) fn stats(&self, running: u64) -> ThreadStats {
        // ORDERING: Relaxed: each is a recent value by itself.
        let read = |account: &AtomicU64| account.load(Ordering::Relaxed);
        let user = match read(&self.user) {
            in_ring_3 if in_ring_3 > i64::MAX as u64 => in_ring_3.wrapping_add(clock::counter()),
            settled => settled,
        };
        ThreadStats {
            voluntary: read(&self.voluntary),
            involuntary: read(&self.involuntary),
            user_ns: clock::to_ns(user),
            // Of another thread that runs, `total` may still lack what `user` has.
            system_ns: clock::to_ns((read(&self.total) + running).saturating_sub(user)),
            syscalls: read(&self.syscalls),
        }
    }

    /// Moves the accounts to a sum, as one of the thread's last acts.
    pub(super) fn hand_over(&self, sum: &Self) {
        for (own, sum) in self.all().into_iter().zip(sum.all()) {
            // ORDERING: Relaxed: figures only. Emptied before they are added, so that a reader may
            // miss what is on its way but never counts it twice.
            let amount = own.load(Ordering::Relaxed);
            own.store(0, Ordering::Relaxed);
            sum.fetch_add(amount, Ordering::Relaxed);
        }
    }
}

impl core::ops::AddAssign for ThreadStats {
    fn add_assign(&mut self, other: Self) {
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
        self.user_ns += other.user_ns;
        self.system_ns += other.system_ns;
        self.syscalls += other.syscalls;
    }
}
