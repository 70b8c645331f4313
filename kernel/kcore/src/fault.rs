//! What a processor exception says about a program: the signal that stands for it, and its name.

use core::fmt;

use crate::{address_space::Access, signals::Signal};

/// A processor exception.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its vector.
    pub vector: u64,
    /// The error code of one that has one.
    pub error: u64,
    /// The address of a page fault.
    pub address: u64,
    /// A page fault where there was no memory for the page.
    pub out_of_memory: bool,
}

impl Fault {
    /// The vector of a double fault.
    pub const DOUBLE: u64 = 8;
    /// The vector of a page fault.
    pub const PAGE: u64 = 14;

    /// An exception; `address` is asked where a page fault came.
    pub fn new(vector: u64, error: u64, address: impl FnOnce() -> u64) -> Self {
        let address = if vector == Self::PAGE { address() } else { 0 };
        Self {
            vector,
            error,
            address,
            out_of_memory: false,
        }
    }

    /// Whether the page was there, and the access not allowed.
    const fn was_present(&self) -> bool {
        self.error & 1 << 0 != 0
    }

    /// What a page fault's instruction wanted.
    #[must_use]
    pub const fn access(&self) -> Access {
        Access {
            write: self.error & 1 << 1 != 0,
            execute: self.error & 1 << 4 != 0,
        }
    }

    /// The signal that stands for it.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self.vector {
            0 | 16 | 19 => Signal::FPE,
            1 | 3 => Signal::TRAP,
            6 => Signal::ILL,
            _ => Signal::SEGV,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.vector {
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
            Self::PAGE => {
                let what = match self.access() {
                    Access { execute: true, .. } => "execution",
                    Access { write: true, .. } => "write",
                    _ => "read",
                };
                let why = match (self.out_of_memory, self.was_present()) {
                    (true, _) => "out of memory",
                    (_, true) => "not allowed",
                    _ => "not mapped",
                };
                return write!(f, "page fault: {what} of {:#x}, {why}", self.address);
            }
            16 => "x87 floating-point error",
            17 => "alignment check",
            19 => "SIMD floating-point error",
            other => return write!(f, "exception {other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn page_fault(error: u64) -> Fault {
        Fault::new(Fault::PAGE, error, || 0x1234)
    }

    #[test]
    fn a_page_fault_says_what_was_wanted_and_why_not() {
        for (error, text) in [
            (0b00100, "read of 0x1234, not mapped"),
            (0b00110, "write of 0x1234, not mapped"),
            (0b00111, "write of 0x1234, not allowed"),
            (0b10101, "execution of 0x1234, not allowed"),
            (0b10100, "execution of 0x1234, not mapped"),
        ] {
            let told = page_fault(error).to_string();
            assert_eq!(told.strip_prefix("page fault: "), Some(text));
        }
        let mut fault = page_fault(0b110);
        fault.out_of_memory = true;
        let told = fault.to_string();
        assert!(told.ends_with("write of 0x1234, out of memory"), "{told}");
        assert!(page_fault(2).access().write && page_fault(16).access().execute);
    }

    #[test]
    fn others_have_a_name_a_signal_and_no_address() {
        for (vector, name, signal) in [
            (0, "divide error", Signal::FPE),
            (3, "breakpoint", Signal::TRAP),
            (6, "invalid opcode", Signal::ILL),
            (13, "general protection fault", Signal::SEGV),
            (17, "alignment check", Signal::SEGV),
            (19, "SIMD floating-point error", Signal::FPE),
            (31, "exception 31", Signal::SEGV),
        ] {
            let fault = Fault::new(vector, 0, || panic!("no address"));
            assert_eq!((fault.to_string().as_str(), fault.signal()), (name, signal));
        }
    }
}
