//! Which CPUs have gone to sleep, so that whoever makes work ready wakes one of them.
//!
//! # Protocol
//! CPU without work: [`announce`](IdleSet::announce) itself; look at every queue once more; halt.
//! After the halt, or if there was work: [`withdraw`](IdleSet::withdraw).
//! Poster: push the work; if there is [any](IdleSet::any_after_post) idle CPU,
//! [`take_one`](IdleSet::take_one); interrupt the CPU it names.
//!
//! # Why nothing is lost
//! The CPU writes its bit and then reads the queues; the poster writes a queue and then reads the
//! bits. A `SeqCst` fence between the two steps on both sides lets at most one of them read the old
//! value. If the poster sees the bit, its interrupt ends the halt (interrupts open in the same
//! instruction that halts); if not, the CPU sees the work.

use crate::sync::{AtomicU64, Ordering, fence, seeded};

/// The set of CPUs that are about to halt, or halted; at most 64.
#[derive(Debug)]
pub struct IdleSet {
    bits: AtomicU64,
}

impl IdleSet {
    /// No CPU is idle.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bits: AtomicU64::new(0),
        }
    }

    /// No CPU is idle.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            bits: AtomicU64::new(0),
        }
    }

    /// Enters `cpu`; the caller must look for work once more before it halts.
    pub fn announce(&self, cpu: u32) {
        // ORDERING: Relaxed: the fence orders it before the caller's look at the queues; pairs with
        // the fence in `any_after_post`.
        self.bits.fetch_or(1 << cpu, Ordering::Relaxed);
        if !seeded("announce has no fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Takes `cpu` out, if no poster has.
    pub fn withdraw(&self, cpu: u32) {
        // ORDERING: Relaxed: the bit carries no data, the work lies under the queue's lock.
        self.bits.fetch_and(!(1 << cpu), Ordering::Relaxed);
    }

    /// Whether some CPU is idle, for a caller that has pushed work and calls
    /// [`take_one`](Self::take_one) if so.
    #[inline(always)]
    #[must_use]
    pub fn any_after_post(&self) -> bool {
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: after the fence, see `announce`.
        self.bits.load(Ordering::Relaxed) != 0
    }

    /// How many CPUs are idle, about.
    #[must_use]
    pub fn count(&self) -> u32 {
        // ORDERING: Relaxed: a hint.
        self.bits.load(Ordering::Relaxed).count_ones()
    }

    /// Takes an idle CPU out of the set; the caller must interrupt it.
    #[must_use]
    pub fn take_one(&self) -> Option<u32> {
        // ORDERING: Relaxed: after the fence of `any_after_post`.
        let mut bits = self.bits.load(Ordering::Relaxed);
        while bits != 0 {
            let cpu = bits.trailing_zeros();
            // ORDERING: Relaxed: decides only who sends the one interrupt.
            let left = self.bits.fetch_and(!(1 << cpu), Ordering::Relaxed);
            if !seeded("take_one believes its first look") {
                bits = left;
            }
            if bits & 1 << cpu != 0 {
                return Some(cpu);
            }
        }
        None
    }
}

impl Default for IdleSet {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_announcement_is_taken_once() {
        let idle = IdleSet::new();
        idle.announce(3);
        idle.announce(5);
        idle.announce(5);
        assert!(idle.any_after_post());
        assert_eq!(idle.take_one(), Some(3));
        assert_eq!(idle.take_one(), Some(5));
        assert_eq!(idle.take_one(), None);
        assert!(!idle.any_after_post());
        idle.announce(63);
        idle.withdraw(63);
        assert_eq!(idle.take_one(), None);
    }
}
