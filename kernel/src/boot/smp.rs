//! Starts the other CPUs, one after the other.
//!
//! # Protocol
//! INIT, 10 ms, SIPI, then wait for the CPU to say that it is up; a second SIPI if it does not come
//! within a millisecond, as the manual of the processor asks. A CPU that does not come up within five
//! seconds is reported and left alone.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    arch::{clock, cpu, lapic},
    boot::trampoline,
    mm::{kernel_space, phys},
};

const SETTLE_NS: u64 = 10_000_000;
const SECOND_SIPI_NS: u64 = 1_000_000;
const PATIENCE_NS: u64 = 5_000_000_000;

/// How many CPUs have come up.
static ONLINE: AtomicU32 = AtomicU32::new(1);

/// Starts one CPU for each of `apic_ids` but the caller's own.
pub(crate) fn start_others(apic_ids: &[u8]) {
    phys::copy_in(phys::PhysAddr(trampoline::ADDRESS), trampoline::code());
    let own = lapic::id();
    for apic_id in apic_ids.iter().copied().filter(|id| *id != own) {
        let number = ONLINE.load(Ordering::Relaxed);
        let stack_end = cpu::prepare(number, apic_id);
        trampoline::set_mailbox(kernel_space::root(), stack_end, number);
        lapic::send_init(apic_id);
        clock::spin_for(SETTLE_NS);
        let page = (trampoline::ADDRESS >> 12) as u8;
        lapic::send_startup(apic_id, page);
        if !wait_for(number, SECOND_SIPI_NS) {
            lapic::send_startup(apic_id, page);
            if !wait_for(number, PATIENCE_NS) {
                crate::println!("kernel: the CPU with APIC number {apic_id} did not start");
                break;
            }
        }
    }
}

/// Says that the calling CPU is up.
pub(crate) fn report_online() {
    // ORDERING: Release pairs with `wait_for`: this CPU's set-up is seen by the first CPU.
    ONLINE.fetch_add(1, Ordering::Release);
}

/// Waits until more than `number` CPUs are up.
fn wait_for(number: u32, patience_ns: u64) -> bool {
    let end = clock::now_ns() + patience_ns;
    // ORDERING: Acquire pairs with `report_online`.
    while ONLINE.load(Ordering::Acquire) <= number {
        if clock::now_ns() > end {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}
