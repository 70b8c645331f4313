//! Makes other CPUs forget cached translations, and waits until they have.
//!
//! # Protocol
//! See [`kcore::FlushRequests`], of which each CPU has its own; an interrupt makes it look.
//!
//! # Why nothing hangs
//! The kernel runs with interrupts off, so an asker answers requests to itself while it waits; two
//! CPUs can ask each other. An asker holds no lock, so whoever spins for a lock gets it, returns to
//! ring 3 (or the idle loop), and takes the interrupt.

use x86_64::instructions::tlb;

use crate::arch::{
    cpu,
    lapic::{self, VECTOR_FLUSH},
};

/// Flushes the user translations of all CPUs in `cpus`, the caller's own included if it is in it.
///
/// # Blocking
/// Until all of them have. The caller must hold no lock.
pub(super) fn flush(cpus: u64) {
    let own = cpu::this();
    if cpus & 1 << own.number() != 0 {
        tlb::flush_all();
    }
    let others = || {
        cpu::all().filter(|other| cpus & 1 << other.number() != 0 && other.number() != own.number())
    };
    let mut requests = [0; cpu::MAX_CPUS];
    for other in others() {
        requests[other.number() as usize] = other.flush.ask();
        lapic::send(other.apic_id(), VECTOR_FLUSH);
    }
    for other in others() {
        while !other.flush.has_answered(requests[other.number() as usize]) {
            own.flush.answer(tlb::flush_all);
            core::hint::spin_loop();
        }
    }
}

/// Does what other CPUs have asked this one.
pub(crate) fn answer() {
    cpu::this().flush.answer(tlb::flush_all);
}
