//! The assembly between an interrupt and Rust, and back.
//!
//! # Protocol
//! Each vector has a stub of 16 bytes that pushes an error code if the processor has not, and the
//! vector. From ring 3: `swapgs`, all general registers, FXSAVE; the way back is the reverse. From
//! ring 0, an interrupt comes in the idle loop only (which says that all registers may change), a
//! fault in a user copy or by mistake: no `swapgs`, no FXSAVE. Non-maskable interrupt, double fault
//! and machine check may come between a change of ring and its `swapgs`; they use neither the `gs`
//! base nor the current stack, and never return.

use core::arch::global_asm;

use kcore::frame::INITIAL_VECTORS;

use crate::trap::{fault, interrupt};

const STUB_LEN: u64 = 16;

global_asm!(
    ".text",
    ".balign 16",
    ".globl trap_stubs",
    "trap_stubs:",
    ".set vector, 0",
    ".rept 256",
    ".balign 16",
    // 8, 10 to 14, 17, 21, 29 and 30 push an error code.
    ".if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)",
    ".else",
    "push 0",
    ".endif",
    "push vector",
    ".if (vector == 2) || (vector == 8) || (vector == 18)",
    "jmp trap_fatal",
    ".else",
    "jmp trap_common",
    ".endif",
    ".set vector, vector + 1",
    ".endr",

    ".macro push_registers",
    "push rcx",
    "push r11",
    "push rax",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    ".endm",
    ".macro pop_registers",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rax",
    "pop r11",
    "pop rcx",
    "add rsp, 16",
    ".endm",

    ".balign 16",
    "trap_common:",
    "test byte ptr [rsp + 24], 3",
    "jz 2f",
    "swapgs",
    "clac",
    "cld",
    "push_registers",
    "fxsave64 [rsp + 176]",
    "mov rdi, rsp",
    "call {from_user}",
    // Back to ring 3 with all that is in the frame; the system-call entry comes here, too.
    ".globl trap_return",
    "trap_return:",
    "fxrstor64 [rsp + 176]",
    "3:",
    "pop_registers",
    "swapgs",
    "iretq",
    "2:",
    "clac",
    "cld",
    "push_registers",
    "mov rdi, rsp",
    "call {from_kernel}",
    "pop_registers",
    "iretq",

    "trap_fatal:",
    "clac",
    "cld",
    "push_registers",
    "mov rdi, rsp",
    "call {fatal}",
    "ud2",

    // Where a new thread's first switch leads: rsp is at its frame, rdx and rcx say who was left and why.
    ".globl thread_start",
    "thread_start:",
    "mov rdi, rsp",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "call {first_return}",
    "fxrstor64 [rip + {initial}]",
    "jmp 3b",
    // The same for a thread with vector registers of its own.
    ".globl thread_start_with_vectors",
    "thread_start_with_vectors:",
    "mov rdi, rsp",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "call {first_return}",
    "fxrstor64 [rsp + 176]",
    "jmp 3b",
    from_user = sym interrupt::from_user,
    from_kernel = sym interrupt::from_kernel,
    fatal = sym fault::fatal,
    first_return = sym crate::sched::first_return,
    initial = sym INITIAL_VECTORS,
);

unsafe extern "C" {
    static trap_stubs: u8;
    static thread_start: u8;
    static thread_start_with_vectors: u8;
}

/// Where the vector's stub is.
pub(crate) fn stub(vector: usize) -> u64 {
    (&raw const trap_stubs) as u64 + vector as u64 * STUB_LEN
}

/// Where a thread starts that has a frame at its stack pointer, and, above it, vector registers or
/// nothing yet.
pub(crate) fn start_address(with_vectors: bool) -> u64 {
    if with_vectors {
        (&raw const thread_start_with_vectors) as u64
    } else {
        (&raw const thread_start) as u64
    }
}
