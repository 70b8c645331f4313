//! Makes other CPUs forget cached translations, and waits until they have.
//!
//! # Protocol
//! Asker: raise `flush_asked` of each CPU, interrupt it, wait until its `flush_done` has come up to
//! the raised value. Answerer: read `flush_asked`, flush everything, store that value to
//! `flush_done`.
//!
//! # Why nothing hangs
//! The kernel runs with interrupts off, so an asker answers requests to itself while it waits; two
//! CPUs can ask each other. An asker holds no lock, so whoever spins for a lock gets it, returns to
//! ring 3 (or the idle loop), and takes the interrupt.

use core::sync::atomic::Ordering;

use x86_64::instructions::tlb;

use crate::arch::{
    cpu::{self, Cpu},
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
    let mut wanted = [0; cpu::MAX_CPUS];
    for other in others() {
        // ORDERING: Release pairs with `answer`: the tables have changed before.
        wanted[other.number() as usize] = other.flush_asked.fetch_add(1, Ordering::Release) + 1;
        lapic::send(other.apic_id(), VECTOR_FLUSH);
    }
    for other in others() {
        // ORDERING: Acquire pairs with `answer`: nothing is read through old translations after it.
        while other.flush_done.load(Ordering::Acquire) < wanted[other.number() as usize] {
            answer_for(own);
            core::hint::spin_loop();
        }
    }
}

/// Does what other CPUs have asked this one.
pub(crate) fn answer() {
    answer_for(cpu::this());
}

fn answer_for(own: &Cpu) {
    // ORDERING: Acquire pairs with `flush`.
    let asked = own.flush_asked.load(Ordering::Acquire);
    // ORDERING: Relaxed: only this CPU writes it.
    if own.flush_done.load(Ordering::Relaxed) < asked {
        tlb::flush_all();
        // ORDERING: Release pairs with `flush`.
        own.flush_done.store(asked, Ordering::Release);
    }
}
