//! How threads and processes end.
//!
//! # Shutdown
//! exit_group, a fault, a killing signal: the first one's end counts. Every other thread of the process
//! is told to leave, woken if it waits, and its CPU is interrupted if it runs in ring 3; it ends on its
//! way out of the kernel. The last thread to leave ends the process; with the first process ends the
//! machine.
//!
//! A thread's last acts, in this order: become `Terminated`, so that whoever has joined it finds that
//! recorded; leave the code for the joiner, count itself out of the process, as its last thread give
//! back memory and files and become a zombie, switch away for ever. The code that runs next on the CPU
//! takes back structure and stack. A thread holds no kernel lock then: locks are held for a few lines
//! that don't end threads, and a kernel with debug assertions asserts it at each switch. Locks and
//! futexes of the program are the program's affair: whoever ends with one leaves it locked.

use kcore::{Ending, Errno, State, Tid};

use crate::{
    arch::{
        clock, cpu,
        lapic::{self, VECTOR_RESCHEDULE},
        qemu, serial,
    },
    exit_code, ipc,
    mm::address_space,
    proc::{
        family,
        process::{INIT, Process},
        signal, table,
        thread::Thread,
    },
    sched::{self, wait},
    trap::interrupt,
};

/// Ends the calling thread alone.
pub(crate) fn exit_thread(code: i32) -> ! {
    let thread = cpu::current();
    let tid =
        Tid::from_raw(i64::from(thread.tid())).expect("invariant: a running thread has a tid");
    table::forget(tid);
    // The structure keeps its share of the process until the thread has been left.
    let process = thread.process();
    thread
        .accounts()
        .hand_over(&process.ended, clock::counter());
    signal::leave_to_others(thread, process);
    if table::cell(tid).exit(code, || thread.enter_state(State::Terminated)) {
        table::free_tid(process, tid);
    }
    if process.threads.thread_ended(tid.raw(), code) {
        end_process(thread, tid, process);
    } else if let Some(waiting) = Tid::from_raw(i64::from(process.threads.sole())) {
        table::with(waiting, process.pid(), Thread::wake);
    }
    sched::leave_for_ever()
}

/// Ends a process: the calling thread's own, which leaves on its way out of the kernel, or another.
pub(crate) fn end_group(process: &Process, end: Ending) {
    process.threads.begin_end(end);
    table::for_each(process.pid(), Thread::ask_to_leave);
    interrupt_others();
}

/// Ends all other threads of the calling one's process.
///
/// # Errors
/// `EINTR` if the process ends, or another thread was first to ask: then the caller leaves, too.
///
/// # Blocking
/// Until they have left.
pub(super) fn become_the_only_thread(thread: &'static Thread) -> Result<(), Errno> {
    let process = thread.process();
    if !process.threads.begin_sole(thread.tid()) {
        // Not once more to the program, although the other one has not asked for it yet.
        thread.ask_to_leave();
        return Err(Errno::EINTR);
    }
    if process.threads.count() > 1 {
        table::for_each(process.pid(), |other| {
            if !core::ptr::eq(other, thread) {
                other.ask_to_leave();
            }
        });
        interrupt_others();
    }
    while process.threads.count() > 1 {
        if thread.must_leave() {
            return Err(Errno::EINTR);
        }
        wait::until_woken(thread);
    }
    let own = Tid::from_raw(i64::from(thread.tid())).expect("invariant: it runs");
    table::free_tids(process, own, 1);
    process.threads.finish_sole(thread.tid());
    Ok(())
}

/// Makes all other CPUs enter the kernel.
pub(super) fn interrupt_others() {
    let own_cpu = cpu::this().number();
    for other in cpu::all().filter(|other| other.number() != own_cpu) {
        lapic::send(other.apic_id(), VECTOR_RESCHEDULE);
    }
}

/// The last thread has left.
fn end_process(thread: &Thread, tid: Tid, process: &Process) {
    if process.pid() == INIT {
        end_machine(process);
    }
    table::free_tids(process, tid, 0);
    // Files close now, not when the last share of the process is dropped: others wait for them.
    let files = process.files.lock().take_all();
    drop(files);
    ipc::process_ended(process);
    address_space::unload();
    // As a rule these are the last shares, and the frames go back here.
    drop(thread.replace_space(None));
    drop(process.replace_space(None));
    sched::admission::process_ended();
    family::end(process);
}

fn end_machine(process: &Process) -> ! {
    let unexpected = interrupt::unexpected();
    if unexpected > 0 {
        crate::println!("kernel: {unexpected} interrupts came that nobody asked for");
    }
    let status = process.threads.end().status();
    crate::println!("kernel: init exited with status {status}");
    serial::write_status(status);
    qemu::exit(if status == 0 {
        exit_code::SUCCESS
    } else {
        exit_code::FAILED
    });
}
