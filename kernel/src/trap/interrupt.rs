//! What an interrupt wants, by vector.

use core::sync::atomic::{AtomicU64, Ordering};

use kcore::{frame::TrapFrame, sched::TICK_NS};

use crate::{
    arch::{
        clock, cpu,
        lapic::{
            self, VECTOR_CONSOLE, VECTOR_FLUSH, VECTOR_RESCHEDULE, VECTOR_SPURIOUS, VECTOR_TIMER,
        },
    },
    console,
    mm::shootdown,
    proc::signal,
    sched,
    trap::fault,
};

/// The first vector that is no processor exception.
const FIRST_INTERRUPT: u64 = 32;

/// Interrupts that nobody asked for.
static UNEXPECTED: AtomicU64 = AtomicU64::new(0);

/// How many interrupts came that nobody asked for; they were ignored.
pub(crate) fn unexpected() -> u64 {
    // ORDERING: Relaxed: a statistic.
    UNEXPECTED.load(Ordering::Relaxed)
}

/// An interrupt or fault in ring 3.
pub(super) extern "C" fn from_user(frame: &mut TrapFrame) {
    let thread = cpu::current();
    thread.accounts().enter_kernel(clock::counter());
    let tick_is_over = match frame.vector {
        0..FIRST_INTERRUPT => {
            fault::in_user(frame);
            false
        }
        vector => {
            if vector == u64::from(VECTOR_TIMER) {
                thread.process().count_tick(TICK_NS);
            }
            interrupt(vector as u8)
        }
    };
    if tick_is_over {
        sched::preempt();
    }
    if thread.has_work() {
        signal::work(thread, frame);
    }
    thread.accounts().enter_user(clock::counter());
}

/// An interrupt in the idle loop, or a fault in the kernel.
pub(super) extern "C" fn from_kernel(frame: &mut TrapFrame) {
    if frame.vector < FIRST_INTERRUPT {
        fault::in_kernel(frame);
    } else {
        assert!(
            frame.rip == sched::idle::interrupted_at(),
            "invariant: interrupts are off in the kernel, but one came at {:#x}",
            frame.rip
        );
        // The idle loop looks for work after each interrupt.
        interrupt(frame.vector as u8);
    }
}

/// Handles an interrupt; true if the running thread's quantum is over and others wait.
fn interrupt(vector: u8) -> bool {
    match vector {
        VECTOR_TIMER => {
            lapic::end_of_interrupt();
            return sched::tick();
        }
        VECTOR_RESCHEDULE => lapic::end_of_interrupt(),
        VECTOR_FLUSH => {
            lapic::end_of_interrupt();
            shootdown::answer();
        }
        VECTOR_CONSOLE => {
            lapic::end_of_interrupt();
            console::fetch();
        }
        VECTOR_SPURIOUS => count_unexpected(),
        other => {
            count_unexpected();
            if lapic::is_in_service(other) {
                lapic::end_of_interrupt();
            }
        }
    }
    false
}

fn count_unexpected() {
    // ORDERING: Relaxed: a statistic.
    UNEXPECTED.fetch_add(1, Ordering::Relaxed);
}
