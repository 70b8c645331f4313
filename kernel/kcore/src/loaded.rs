//! Which CPUs may know an address space.
//!
//! # Protocol
//! CPU: [`enter`](LoadedOn::enter), then load the page tables; load others, then
//! [`leave`](LoadedOn::leave). Who takes pages away: change the tables, then ask the CPUs that
//! [`after_change`](LoadedOn::after_change) names to forget, then give the pages away.
//!
//! # Why nobody sees a page that was given away
//! The CPU writes its bit and then reads the tables; the other side writes the tables and then reads
//! the bits. A `SeqCst` fence between the two steps on both sides lets at most one of them read the
//! old value: either the CPU is asked, or it reads the changed tables.

use crate::sync::{AtomicU64, Ordering, fence, seeded};

/// The set of CPUs that have an address space loaded, or are about to; at most 64.
#[derive(Debug)]
pub struct LoadedOn {
    bits: AtomicU64,
}

impl LoadedOn {
    /// No CPU.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bits: AtomicU64::new(0),
        }
    }

    /// Enters `cpu`, which may load the tables afterwards.
    pub fn enter(&self, cpu: u32) {
        // ORDERING: Relaxed: the fence orders it before the processor reads the tables; pairs with the
        // fence in `after_change`.
        self.bits.fetch_or(1 << cpu, Ordering::Relaxed);
        if !seeded("entering has no fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Takes `cpu` out, which has other tables loaded now.
    pub fn leave(&self, cpu: u32) {
        // ORDERING: Release: after the other tables were loaded.
        self.bits.fetch_and(!(1 << cpu), Ordering::Release);
    }

    /// The CPUs that may know what the tables said before they were changed.
    #[must_use]
    pub fn after_change(&self) -> u64 {
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: after the fence, which pairs with that in `enter`.
        self.bits.load(Ordering::Relaxed)
    }
}

impl Default for LoadedOn {
    fn default() -> Self {
        Self::new()
    }
}
