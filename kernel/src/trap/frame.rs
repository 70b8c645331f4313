//! The registers of a program while the kernel works for it.
//!
//! The frame lies at the top of the thread's kernel stack, directly below the FXSAVE area. Entry by
//! an interrupt and entry by a system call make the same frame.

use crate::arch::{
    fpu,
    tables::{USER_CODE, USER_DATA},
};

/// Interrupts on; bit 1 is always set.
pub(crate) const USER_FLAGS: u64 = 0x202;

/// All general registers, in the order in which the entry code pushes them, last first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrapFrame {
    /// Not set by a system call, nor are the next five.
    pub(crate) r15: u64,
    pub(crate) r14: u64,
    pub(crate) r13: u64,
    pub(crate) r12: u64,
    pub(crate) rbp: u64,
    pub(crate) rbx: u64,
    pub(crate) r10: u64,
    pub(crate) r9: u64,
    pub(crate) r8: u64,
    pub(crate) rdi: u64,
    pub(crate) rsi: u64,
    pub(crate) rdx: u64,
    /// Not set by a system call before it has a result.
    pub(crate) rax: u64,
    /// Not set by a system call, nor is `rcx`.
    pub(crate) r11: u64,
    pub(crate) rcx: u64,
    /// The interrupt's vector; not set by a system call.
    pub(crate) vector: u64,
    /// The error code of a fault that has one, else 0; not set by a system call.
    pub(crate) error: u64,
    pub(crate) rip: u64,
    /// Always the same, as `ss`; a system call leaves what is there since the thread began.
    pub(crate) cs: u64,
    pub(crate) flags: u64,
    pub(crate) rsp: u64,
    pub(crate) ss: u64,
}

/// Bytes between the frame's start and the end of the kernel stack.
pub(crate) const FRAME_TO_STACK_END: u64 = size_of::<TrapFrame>() as u64 + fpu::AREA_LEN;

/// Where a program begins, or is sent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The first instruction.
    pub(crate) at: u64,
    /// The stack pointer.
    pub(crate) stack: u64,
    /// The first two arguments.
    pub(crate) arguments: [u64; 2],
}

impl From<Entry> for TrapFrame {
    /// Everything else is zero.
    #[inline]
    fn from(entry: Entry) -> Self {
        Self {
            rdi: entry.arguments[0],
            rsi: entry.arguments[1],
            rip: entry.at,
            cs: u64::from(USER_CODE),
            flags: USER_FLAGS,
            rsp: entry.stack,
            ss: u64::from(USER_DATA),
            ..Self::default()
        }
    }
}
