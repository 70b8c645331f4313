//! What a CPU does when it has nothing to run: steal, else halt.
//!
//! # Who owns what
//! `IDLE` is shared and atomic: a CPU enters itself, a poster or the CPU itself takes it out. A stolen
//! thread comes from under the lock of the other CPU's queue and belongs to the thief from then on.

use core::arch::global_asm;

use kcore::{IdleSet, State};

use crate::{
    arch::{
        clock, cpu,
        lapic::{self, VECTOR_RESCHEDULE},
    },
    mm::address_space,
    proc::thread::Thread,
    sched::{Leave, switch_to, take_next},
};

static IDLE: IdleSet = IdleSet::new();

/// Wakes one idle CPU, if there is one, because there is work.
#[inline(always)]
pub(super) fn wake_one() {
    if IDLE.any_after_post() {
        wake_one_of_some();
    }
}

/// Whether no CPU has anything to run.
pub(super) fn is_still() -> bool {
    IDLE.count() == cpu::count()
}

#[cold]
#[inline(never)]
fn wake_one_of_some() {
    if let Some(number) = IDLE.take_one() {
        lapic::send(cpu::get(number).apic_id(), VECTOR_RESCHEDULE);
    }
}

/// The idle loop of the calling CPU, on its idle thread's stack.
pub(crate) extern "C" fn enter() -> ! {
    clock::start_tick();
    let cpu = cpu::this();
    loop {
        while let Some(next) = find_work() {
            switch_to(cpu, cpu.idle(), next, Leave::Idle);
        }
        IDLE.announce(cpu.number());
        // Not just whether somebody is ready: it may be one who may not run here, and this CPU must
        // halt then, or it would never open its interrupts for those who wait for its answer.
        let found = find_work();
        if found.is_none() {
            // Whatever ran here last may end elsewhere: its memory must not live on for this CPU.
            address_space::unload();
            wait_for_interrupt();
        }
        IDLE.withdraw(cpu.number());
        if let Some(next) = found {
            switch_to(cpu, cpu.idle(), next, Leave::Idle);
        }
    }
}

/// A ready thread, which is `Running` from now on: from here, else from the next CPU that has one.
fn find_work() -> Option<&'static Thread> {
    let own = cpu::this();
    take_next(own, false).or_else(|| {
        let count = cpu::count();
        let stolen = (1..count).find_map(|step| {
            let other = cpu::get((own.number() + step) % count);
            other.queue.steal(own.number())
        })?;
        stolen.0.enter_state(State::Running);
        Some(stolen.0)
    })
}

global_asm!(
    ".text",
    ".globl wait_for_interrupt",
    "wait_for_interrupt:",
    "sti",
    "hlt",
    ".globl interrupted_here",
    "interrupted_here:",
    "cli",
    "ret",
);

unsafe extern "C" {
    /// Waits for an interrupt; the only place in the kernel where interrupts are open. They open with
    /// the instruction that halts, so none is missed. As a call, it may change all registers that
    /// calls may, and so may the interrupt's handler.
    safe fn wait_for_interrupt();

    static interrupted_here: u8;
}

/// The only address in the kernel where an interrupt may come: no lock is held there, so no handler
/// meets one that its own CPU holds.
pub(crate) fn interrupted_at() -> u64 {
    (&raw const interrupted_here) as u64
}
