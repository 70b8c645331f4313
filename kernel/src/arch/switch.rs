//! From one kernel stack to another.
//!
//! # Protocol
//! [`switch_stack`] pushes what the compiler cannot be asked to save and the address where it goes on,
//! stores the stack pointer where the caller says, takes the other stack's pointer and returns into
//! it. What the other side has to know about this one stays in two registers, `rdx` and `rcx`. All other
//! registers are clobbers, so each caller saves what it needs and no more. The
//! vector registers are nobody's here. A new thread's stack is made to look as if it had been left by
//! `switch_stack`, with the address where it shall start on top.

use core::arch::{asm, global_asm};

use crate::sched::Left;

global_asm!(
    ".text",
    // call_on_stack(rdi: stack end, rsi: function)
    ".globl call_on_stack",
    "call_on_stack:",
    "mov rsp, rdi",
    "xor ebp, ebp",
    "call rsi",
    "ud2",
);

unsafe extern "C" {
    /// Leaves the own stack for ever and runs `function` on another.
    ///
    /// # Safety
    /// `stack_end` must be the end of a mapped, unused stack.
    pub(crate) fn call_on_stack(stack_end: u64, function: extern "C" fn() -> !) -> !;
}

/// Goes on where the stack `new` was left, after the own stack pointer is in `*old`, with `left` for who
/// runs there; when somebody comes back to this stack, what they left.
///
/// # Safety
/// `new` must be a stack pointer stored by this function, or point at the address where a new thread
/// starts, and nobody else may resume it. `old` must be writable.
#[inline(always)]
pub(crate) unsafe fn switch_stack(old: *mut u64, new: u64, left: Left) -> Left {
    let (mut thread, mut leave) = (core::ptr::from_ref(left.old), left.leave as u64);
    // SAFETY: the caller's promise; everything that the other side changes is declared.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov [rdi], rsp",
            "mov rsp, rsi",
            "ret",
            "2:",
            "pop rbx",
            "pop rbp",
            inout("rdi") old => _,
            inout("rsi") new => _,
            inout("rdx") thread,
            inout("rcx") leave,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            clobber_abi("sysv64"),
        );
    }
    // SAFETY: both registers hold what another call of this function got as its `left`.
    unsafe { Left::from_registers(thread, leave) }
}
