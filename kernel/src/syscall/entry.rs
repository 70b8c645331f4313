//! The assembly between a `syscall` instruction and Rust, and back.
//!
//! # Protocol
//! The same frame as after an interrupt, so that whoever looks at a stopped program finds its
//! registers in one place; but `rbp` and `r12` to `r15` are not stored, because Rust preserves them
//! and nobody reads them there; fork stores them itself. The vector registers are stored as well: programs built elsewhere keep
//! values in them across a system call, and no value of the kernel gets out.
//!
//! Between entry and exit: account the program's time, count the call, look the function up in
//! [`CALLS`](super::CALLS) and call it as C with the arguments where they are; store the result; do
//! what the thread was asked to do (end, take a signal); account the kernel's time. `rbx` holds the thread meanwhile. On the
//! way back the callee-saved registers but `rbx` need no load: Rust has preserved them.

use core::{
    arch::{global_asm, naked_asm},
    mem::offset_of,
};

use crate::{
    arch::{
        cpu::{CURRENT_OFFSET, RSP0_OFFSET, USER_RSP_OFFSET},
        tables::{USER_CODE, USER_DATA},
    },
    proc::{
        accounts::{SYSCALLS_OFFSET, USER_OFFSET},
        thread::{ACCOUNTS_OFFSET, WORK_OFFSET},
    },
    syscall::process,
    trap::frame::TrapFrame,
};

global_asm!(
    ".text",
    ".balign 16",
    ".globl syscall_entry",
    "syscall_entry:",
    "swapgs",
    "mov gs:[{user_rsp}], rsp",
    "mov rsp, gs:[{rsp0}]",
    "push {user_data}",
    "push gs:[{user_rsp}]",
    "push r11",
    "push {user_code}",
    "push rcx",
    "sub rsp, 32",
    "push rax",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push rbx",
    "sub rsp, 40",
    "fxsave64 [rsp + 176]",
    "mov r11, rax",
    "mov rbx, gs:[{current}]",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "add [rbx + {user_time}], rax",
    "inc qword ptr [rbx + {syscalls}]",
    "mov rdx, [rsp + {frame_rdx}]",
    "mov rcx, r10",
    "cmp r11, {count}",
    "jae 4f",
    "lea rax, [rip + {calls}]",
    "call [rax + r11 * 8]",
    "2:",
    "mov [rsp + {frame_rax}], rax",
    "cmp dword ptr [rbx + {work_offset}], 0",
    "jne 5f",
    "3:",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "sub [rbx + {user_time}], rax",
    "fxrstor64 [rsp + 176]",
    "add rsp, 40",
    "pop rbx",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rax",
    "mov rcx, [rsp + 32]",
    "mov r11, [rsp + 48]",
    "mov rsp, [rsp + 56]",
    "swapgs",
    "sysretq",
    "4:",
    "call {unknown}",
    "jmp 2b",
    // Something to do first: complete the frame, since a signal's handler may be called with it, and
    // go back with all of it.
    "5:",
    "mov [rsp + {r15}], r15",
    "mov [rsp + {r14}], r14",
    "mov [rsp + {r13}], r13",
    "mov [rsp + {r12}], r12",
    "mov [rsp + {rbp}], rbp",
    "mov qword ptr [rsp + {r11}], 0",
    "mov qword ptr [rsp + {rcx}], 0",
    "6:",
    "mov rdi, rsp",
    "call {work}",
    "jmp trap_return",
    // A call that has set the whole frame itself: the return address above it is not used.
    ".globl sigreturn_entry",
    "sigreturn_entry:",
    "add rsp, 8",
    "mov rdi, rsp",
    "call {sigreturn}",
    "jmp 6b",
    // The same, unless it fails; the frame is its third argument.
    ".globl exec_entry",
    "exec_entry:",
    "lea rdx, [rsp + 8]",
    "sub rsp, 8",
    "call {exec}",
    "add rsp, 8",
    "test rax, rax",
    "js 7f",
    "add rsp, 8",
    "jmp 6b",
    "7:",
    "ret",
    user_rsp = const USER_RSP_OFFSET,
    rsp0 = const RSP0_OFFSET,
    current = const CURRENT_OFFSET,
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    user_time = const ACCOUNTS_OFFSET + USER_OFFSET,
    syscalls = const ACCOUNTS_OFFSET + SYSCALLS_OFFSET,
    work_offset = const WORK_OFFSET,
    frame_rdx = const offset_of!(TrapFrame, rdx),
    frame_rax = const offset_of!(TrapFrame, rax),
    count = const super::COUNT,
    calls = sym super::CALLS,
    unknown = sym super::unknown,
    work = sym super::work,
    sigreturn = sym super::signal::sigreturn,
    exec = sym process::exec,
    r15 = const offset_of!(TrapFrame, r15),
    r14 = const offset_of!(TrapFrame, r14),
    r13 = const offset_of!(TrapFrame, r13),
    r12 = const offset_of!(TrapFrame, r12),
    rbp = const offset_of!(TrapFrame, rbp),
    r11 = const offset_of!(TrapFrame, r11),
    rcx = const offset_of!(TrapFrame, rcx),
);

unsafe extern "C" {
    static syscall_entry: u8;

    /// The call that replaces the program.
    #[link_name = "exec_entry"]
    pub(super) safe fn exec(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64;
    /// The call that brings back what a signal's handler has interrupted.
    #[link_name = "sigreturn_entry"]
    pub(super) safe fn sigreturn(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64;
}

/// Completes the frame, which lies above the return address, and calls [`process::fork`] with it.
#[unsafe(naked)]
pub(super) extern "C" fn fork(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    naked_asm!(
        "mov [rsp + 8 + {r15}], r15",
        "mov [rsp + 8 + {r14}], r14",
        "mov [rsp + 8 + {r13}], r13",
        "mov [rsp + 8 + {r12}], r12",
        "mov [rsp + 8 + {rbp}], rbp",
        "lea rdi, [rsp + 8]",
        "jmp {fork}",
        r15 = const offset_of!(TrapFrame, r15),
        r14 = const offset_of!(TrapFrame, r14),
        r13 = const offset_of!(TrapFrame, r13),
        r12 = const offset_of!(TrapFrame, r12),
        rbp = const offset_of!(TrapFrame, rbp),
        fork = sym process::fork,
    )
}

/// Where a `syscall` instruction leads.
pub(crate) fn address() -> u64 {
    (&raw const syscall_entry) as u64
}
