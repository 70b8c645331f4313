//! Faults: a program that did wrong ends, with one line on the console, unless it handles the signal
//! that stands for the fault; a kernel fault ends all.
//!
//! A page fault may be the first touch of a lazy page: then the page is made and the program goes on.
//! In the kernel, a page fault in a user copy makes the copy fail.

use core::fmt;

use kcore::{Ending, Signal};
use x86_64::registers::control::Cr2;

use crate::{
    arch::cpu,
    mm::{
        address_space::{Access, FaultError},
        uaccess::{self, Recovery},
    },
    proc::{exit, signal},
    trap::frame::TrapFrame,
};

const PAGE_FAULT: u64 = 14;
const DOUBLE_FAULT: u64 = 8;

/// Why a program was ended.
struct Cause {
    vector: u64,
    error: u64,
    address: u64,
    out_of_memory: bool,
}

/// A fault in ring 3.
pub(super) fn in_user(frame: &mut TrapFrame) {
    let mut cause = Cause {
        vector: frame.vector,
        error: frame.error,
        address: 0,
        out_of_memory: false,
    };
    if frame.vector == PAGE_FAULT {
        cause.address = Cr2::read_raw();
        match make_page(cause.address, frame.error) {
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
    if frame.vector == PAGE_FAULT
        && let Some(recovery) = uaccess::recovery(frame.rip)
    {
        match recovery {
            Recovery::Skip(at) => frame.rip = at,
            Recovery::MakePage(otherwise) => {
                if make_page(Cr2::read_raw(), frame.error).is_err() {
                    frame.rip = otherwise;
                }
            }
        }
        return;
    }
    let cause = Cause {
        vector: frame.vector,
        error: frame.error,
        address: if frame.vector == PAGE_FAULT {
            Cr2::read_raw()
        } else {
            0
        },
        out_of_memory: false,
    };
    panic!(
        "{cause} in the kernel at {:#x}, stack {:#x}",
        frame.rip, frame.rsp
    );
}

/// A non-maskable interrupt, double fault or machine check. Must not use the `gs` base.
pub(super) extern "C" fn fatal(frame: &TrapFrame) -> ! {
    if frame.vector == DOUBLE_FAULT {
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
fn make_page(address: u64, error: u64) -> Result<(), FaultError> {
    let thread = cpu::current();
    if thread.is_idle() {
        return Err(FaultError::NotAllowed);
    }
    let access = Access {
        write: error & 1 << 1 != 0,
        execute: error & 1 << 4 != 0,
    };
    thread.space().handle_fault(address, access)?;
    thread.accounts().count_fault();
    Ok(())
}

impl Cause {
    /// The signal that stands for it.
    fn signal(&self) -> Signal {
        match self.vector {
            0 | 16 | 19 => Signal::FPE,
            1 | 3 => Signal::TRAP,
            6 => Signal::ILL,
            _ => Signal::SEGV,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.vector {
            0 => "divide error",
            1 => "debug trap",
            3 => "breakpoint",
            4 => "overflow",
            5 => "bound range exceeded",
            6 => "invalid opcode",
            7 => "device not available",
            10 => "invalid task state",
            11 => "segment not present",
            12 => "stack segment fault",
            13 => "general protection fault",
            PAGE_FAULT => {
                let access = match (self.error & 1 << 4 != 0, self.error & 1 << 1 != 0) {
                    (true, _) => "execution",
                    (_, true) => "write",
                    _ => "read",
                };
                let why = match (self.out_of_memory, self.error & 1 != 0) {
                    (true, _) => "out of memory",
                    (_, true) => "not allowed",
                    _ => "not mapped",
                };
                return write!(f, "page fault: {access} of {:#x}, {why}", self.address);
            }
            16 => "x87 floating-point error",
            17 => "alignment check",
            19 => "SIMD floating-point error",
            other => return write!(f, "exception {other}"),
        };
        f.write_str(name)
    }
}
