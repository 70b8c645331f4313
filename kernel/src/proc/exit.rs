//! How threads and processes end.
//!
//! # Shutdown
//! exit_group: the first caller's status counts. Every other thread of the process is told to
//! leave, woken if it waits, and its CPU is interrupted if it runs in ring 3; it ends on its way out
//! of the kernel. The last thread to leave ends the process; with the first process ends the machine.
//!
//! A thread's last acts, in this order: leave the code for the joiner, count itself out of the
//! process, switch away for ever. The code that runs next on the CPU takes back structure and stack.

use alloc::sync::Arc;

use kcore::Tid;

use crate::{
    arch::{
        cpu,
        lapic::{self, VECTOR_RESCHEDULE},
        qemu, serial,
    },
    exit_code,
    proc::{
        process::{INIT, Process},
        table,
        thread::Thread,
    },
    sched,
    trap::interrupt,
};

/// Ends the calling thread alone.
pub(crate) fn exit_thread(code: i32) -> ! {
    let thread = cpu::current();
    let tid =
        Tid::from_raw(i64::from(thread.tid())).expect("invariant: a running thread has a tid");
    table::forget(tid);
    let process = Arc::clone(thread.process());
    thread.hand_over(&process.ended);
    if table::cell(tid).exit(code) {
        table::free_tid(tid);
    }
    if process.thread_ended(tid.raw(), code) {
        end_process(&process);
    }
    // The switch never comes back to drop it; the thread structure still holds its own share.
    drop(process);
    sched::leave_for_ever()
}

/// Ends the calling thread's process; the caller leaves on its way out of the kernel.
pub(crate) fn exit_group(status: i32) {
    let own = cpu::current();
    own.process().begin_end(status);
    table::for_each(own.process().pid(), Thread::ask_to_leave);
    let own_cpu = cpu::this().number();
    for other in cpu::all().filter(|other| other.number() != own_cpu) {
        lapic::send(other.apic_id(), VECTOR_RESCHEDULE);
    }
}

/// The last thread has left.
fn end_process(process: &Process) {
    // Files close now, not when the last share of the process is dropped: others wait for them.
    let files = process.files.lock().take_all();
    drop(files);
    if process.pid() != INIT {
        return;
    }
    let unexpected = interrupt::unexpected();
    if unexpected > 0 {
        crate::println!("kernel: {unexpected} interrupts came that nobody asked for");
    }
    let status = process.status();
    crate::println!("kernel: init exited with status {status}");
    serial::write_status(status);
    qemu::exit(if status == 0 {
        exit_code::SUCCESS
    } else {
        exit_code::FAILED
    });
}
