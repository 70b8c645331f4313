//! The registers of a program while the kernel works for it.
//!
//! The frame lies at the top of the thread's kernel stack, directly below the FXSAVE area. Entry by
//! an interrupt and entry by a system call make the same frame.

use crate::arch::{
    fpu,
    tables::{USER_CODE, USER_DATA},
};

/// Interrupts on; bit 1 is always set.
const USER_FLAGS: u64 = 0x202;

/// All general registers, in the order in which the entry code pushes them, last first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrapFrame {
    /// Not set by a system call, nor are the next four.
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
    pub(crate) rax: u64,
    /// Not set by a system call, nor is `rcx`.
    pub(crate) r11: u64,
    pub(crate) rcx: u64,
    /// The interrupt's vector; not set by a system call.
    pub(crate) vector: u64,
    /// The error code of a fault that has one, else 0; not set by a system call.
    pub(crate) error: u64,
    pub(crate) rip: u64,
    pub(crate) cs: u64,
    pub(crate) flags: u64,
    pub(crate) rsp: u64,
    pub(crate) ss: u64,
}

/// Bytes between the frame's start and the end of the kernel stack.
pub(crate) const FRAME_TO_STACK_END: u64 = size_of::<TrapFrame>() as u64 + fpu::AREA_LEN;

impl TrapFrame {
    /// The first frame of a thread: two arguments, everything else zero.
    pub(crate) fn start(entry: u64, stack: u64, arguments: [u64; 2]) -> Self {
        Self {
            rdi: arguments[0],
            rsi: arguments[1],
            rip: entry,
            cs: u64::from(USER_CODE),
            flags: USER_FLAGS,
            rsp: stack,
            ss: u64::from(USER_DATA),
            ..Self::default()
        }
    }
}
