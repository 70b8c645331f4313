//! The I/O APIC: which interrupt of a device goes to which CPU, as which vector.
//!
//! # Who owns what
//! Requests are opened at boot, by the first CPU, before any other runs; nobody touches the registers
//! afterwards.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::mm::phys::{self, PhysAddr};

/// The request of the first serial port.
pub(crate) const SERIAL: u32 = 4;

const ADDRESS: u64 = 0xfec0_0000;
const SELECT: u64 = 0;
const DATA: u64 = 0x10;
/// The first of two registers of request 0.
const REDIRECTION: u32 = 0x10;

fn write(register: u32, value: u32) {
    for (offset, value) in [(SELECT, register), (DATA, value)] {
        // SAFETY: the registers are mapped in the physical map for ever; each is an aligned 32-bit word.
        let place: &AtomicU32 = unsafe { phys::object(PhysAddr(ADDRESS + offset)) };
        // ORDERING: Relaxed: device registers, and x86 keeps stores in order.
        place.store(value, Ordering::Relaxed);
    }
}

/// Delivers a request, edge-triggered as those of old devices are, to a CPU.
pub(crate) fn open(request: u32, vector: u8, apic_id: u8) {
    write(REDIRECTION + 2 * request + 1, u32::from(apic_id) << 24);
    write(REDIRECTION + 2 * request, u32::from(vector));
}
