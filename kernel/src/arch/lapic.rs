//! The local APIC of each CPU: its timer, interrupts between CPUs, end of interrupt.
//!
//! xAPIC only: registers in memory. QEMU's TCG has no x2APIC before version 9.

use core::sync::atomic::{AtomicU32, Ordering};

use x86_64::registers::model_specific::Msr;

use crate::mm::phys::{self, PhysAddr};

/// The timer's tick.
pub(crate) const VECTOR_TIMER: u8 = 0x40;
/// Look again: there is work, or the running thread has to leave.
pub(crate) const VECTOR_RESCHEDULE: u8 = 0x41;
/// Forget cached translations.
pub(crate) const VECTOR_FLUSH: u8 = 0x42;
/// The console has input.
pub(crate) const VECTOR_CONSOLE: u8 = 0x43;
/// An interrupt that went away before it was taken; must not be acknowledged.
pub(crate) const VECTOR_SPURIOUS: u8 = 0xff;

const ADDRESS: u64 = 0xfee0_0000;
const BASE_MSR: u32 = 0x1b;
const BASE_FIRST_CPU: u64 = 1 << 8;
const BASE_ENABLED: u64 = 1 << 11;

const ID: u64 = 0x20;
const TASK_PRIORITY: u64 = 0x80;
const END_OF_INTERRUPT: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const IN_SERVICE: u64 = 0x100;
const COMMAND_LOW: u64 = 0x300;
const COMMAND_HIGH: u64 = 0x310;
const TIMER_VECTOR: u64 = 0x320;
const TIMER_INITIAL: u64 = 0x380;
const TIMER_CURRENT: u64 = 0x390;
const TIMER_DIVIDE: u64 = 0x3e0;

const SOFTWARE_ENABLE: u32 = 1 << 8;
const TIMER_MASKED: u32 = 1 << 16;
const TIMER_PERIODIC: u32 = 1 << 17;
const DIVIDE_BY_16: u32 = 0b0011;
const DELIVERY_PENDING: u32 = 1 << 12;
const MODE_INIT: u32 = 0b101 << 8 | 1 << 14;
const MODE_STARTUP: u32 = 0b110 << 8 | 1 << 14;
const MODE_FIXED: u32 = 1 << 14;

fn register(offset: u64) -> &'static AtomicU32 {
    // SAFETY: the registers are mapped in the physical map for ever; each is an aligned 32-bit word,
    // and accesses of that size are all that happens.
    unsafe { phys::object(PhysAddr(ADDRESS + offset)) }
}

// ORDERING: Relaxed everywhere in this file: device registers, and x86 keeps stores in order.
fn read(offset: u64) -> u32 {
    register(offset).load(Ordering::Relaxed)
}

fn write(offset: u64, value: u32) {
    register(offset).store(value, Ordering::Relaxed);
}

/// Switches the calling CPU's APIC on, its timer off.
pub(crate) fn init() {
    let mut base = Msr::new(BASE_MSR);
    // SAFETY: reading changes nothing.
    let first_cpu = unsafe { base.read() } & BASE_FIRST_CPU;
    // SAFETY: sets the address that the physical map and this module expect, and the enable bit.
    unsafe { base.write(ADDRESS | BASE_ENABLED | first_cpu) };
    write(SPURIOUS, SOFTWARE_ENABLE | u32::from(VECTOR_SPURIOUS));
    write(TASK_PRIORITY, 0);
    write(TIMER_DIVIDE, DIVIDE_BY_16);
    write(TIMER_VECTOR, TIMER_MASKED);
}

/// The calling CPU's number as the hardware counts.
pub(crate) fn id() -> u8 {
    (read(ID) >> 24) as u8
}

/// Lets the timer run down from its greatest value, without interrupts.
pub(crate) fn start_count() {
    write(TIMER_INITIAL, u32::MAX);
}

/// How many timer steps have passed since [`start_count`].
pub(crate) fn counted() -> u32 {
    u32::MAX - read(TIMER_CURRENT)
}

/// Starts the periodic tick: one every `steps` timer steps.
pub(crate) fn start_tick(steps: u32) {
    write(TIMER_VECTOR, TIMER_PERIODIC | u32::from(VECTOR_TIMER));
    write(TIMER_INITIAL, steps);
}

/// Acknowledges an interrupt.
pub(crate) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Whether the APIC is the one that delivered `vector` and waits for its acknowledgement.
pub(crate) fn is_in_service(vector: u8) -> bool {
    read(IN_SERVICE + u64::from(vector / 32) * 16) & 1 << (vector % 32) != 0
}

/// Interrupts another CPU.
pub(crate) fn send(apic_id: u8, vector: u8) {
    command(apic_id, MODE_FIXED | u32::from(vector));
}

/// Resets another CPU.
pub(crate) fn send_init(apic_id: u8) {
    command(apic_id, MODE_INIT);
}

/// Starts another CPU in real mode at physical page `page`.
pub(crate) fn send_startup(apic_id: u8, page: u8) {
    command(apic_id, MODE_STARTUP | u32::from(page));
}

fn command(apic_id: u8, low: u32) {
    write(COMMAND_HIGH, u32::from(apic_id) << 24);
    write(COMMAND_LOW, low);
    while read(COMMAND_LOW) & DELIVERY_PENDING != 0 {
        core::hint::spin_loop();
    }
}
