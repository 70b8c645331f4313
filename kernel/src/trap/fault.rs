//! Faults: a program that did wrong ends, with one line on the console, unless it handles the signal
//! that stands for the fault; a kernel fault ends all.
//!
//! A page fault may be the first touch of a lazy page: then the page is made and the program goes on.
//! In the kernel, a page fault in a user copy makes the copy fail.

use kcore::{Ending, Fault, FaultError, frame::TrapFrame};
use x86_64::registers::control::Cr2;

use crate::{
    arch::cpu,
    mm::uaccess::{self, Recovery},
    proc::{exit, signal},
};

/// What the processor says.
fn fault(frame: &TrapFrame) -> Fault {
    Fault::new(frame.vector, frame.error, Cr2::read_raw)
}

/// A fault in ring 3.
pub(super) fn in_user(frame: &mut TrapFrame) {
    let mut cause = fault(frame);
    if cause.vector == Fault::PAGE {
        match make_page(&cause) {
            Ok(()) => return,
            Err(error) => cause.out_of_memory = error == FaultError::OutOfMemory,
        }
    }
    let thread = cpu::current();
    if !cause.out_of_memory && signal::handle_fault(thread, frame, cause.signal(), cause.address) {
        return;
    }
    crate::println!(
        "kernel: process {}: thread {} ({}) killed at {:#x}: {cause}",
        thread.process().pid(),
        thread.tid(),
        thread.name(),
        frame.rip,
    );
    exit::end_group(thread.process(), Ending::Faulted(cause.signal().number()));
}

/// A fault in ring 0: of a user copy, or a mistake of the kernel.
pub(super) fn in_kernel(frame: &mut TrapFrame) {
    let cause = fault(frame);
    if cause.vector == Fault::PAGE
        && let Some(recovery) = uaccess::recovery(frame.rip)
    {
        match recovery {
            Recovery::Skip(at) => frame.rip = at,
            Recovery::MakePage(otherwise) => {
                if make_page(&cause).is_err() {
                    frame.rip = otherwise;
                }
            }
        }
        return;
    }
    panic!(
        "{cause} in the kernel at {:#x}, stack {:#x}",
        frame.rip, frame.rsp
    );
}

/// A non-maskable interrupt, double fault or machine check. Must not use the `gs` base.
pub(super) extern "C" fn fatal(frame: &TrapFrame) -> ! {
    if frame.vector == Fault::DOUBLE {
        panic!(
            "double fault at {:#x}: kernel stack overflow? stack {:#x}, address {:#x}",
            frame.rip,
            frame.rsp,
            Cr2::read_raw()
        );
    }
    panic!("vector {} at {:#x}", frame.vector, frame.rip);
}

/// Makes the page that was touched, if the process may touch it so.
fn make_page(fault: &Fault) -> Result<(), FaultError> {
    let thread = cpu::current();
    if thread.is_idle() {
        return Err(FaultError::NotAllowed);
    }
    thread.space().handle_fault(fault.address, fault.access())?;
    thread.accounts().count_fault();
    Ok(())
}
