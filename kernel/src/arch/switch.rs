//! From one kernel stack to another.
//!
//! # Protocol
//! [`switch_context`] stores the callee-saved registers on the old stack, the old stack pointer
//! where the caller says, and takes the same from the new stack. The vector registers are nobody's
//! here: a call may change them all. A new thread's stack is made to look as if it had called
//! `switch_context` from the place where it shall start.

use core::arch::global_asm;

/// The callee-saved registers and the return address, as [`switch_context`] leaves them.
#[repr(C)]
pub(crate) struct SwitchFrame {
    pub(crate) registers: [u64; 6],
    pub(crate) return_address: u64,
}

global_asm!(
    ".text",
    // switch_context(rdi: *mut u64 old stack pointer, rsi: new stack pointer)
    "switch_context:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rdi], rsp",
    "mov rsp, rsi",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    // call_on_stack(rdi: stack end, rsi: function)
    "call_on_stack:",
    "mov rsp, rdi",
    "xor ebp, ebp",
    "call rsi",
    "ud2",
);

unsafe extern "C" {
    /// Goes on where the stack `new` was left, after the own stack pointer is in `*old`.
    ///
    /// # Safety
    /// `new` must be a stack pointer stored by this function, or made by hand as a [`SwitchFrame`],
    /// which nobody else resumes.
    pub(crate) fn switch_context(old: *mut u64, new: u64);

    /// Leaves the own stack for ever and runs `function` on another.
    ///
    /// # Safety
    /// `stack_end` must be the end of a mapped, unused stack.
    pub(crate) fn call_on_stack(stack_end: u64, function: extern "C" fn() -> !) -> !;
}
