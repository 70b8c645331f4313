//! The assembly between a `syscall` instruction and Rust, and back.
//!
//! # Protocol
//! The same frame as after an interrupt, so that whoever looks at a stopped program finds its
//! registers in one place. What is not stored: `rbx`, `rbp` and `r12` to `r15`, because Rust preserves
//! them and nobody reads them there (fork stores them itself); the two segments, which are there since
//! the thread began; `rax`, which is the result's. The vector registers are stored: programs built
//! elsewhere keep values in them across a system call, and no value of the kernel gets out.
//!
//! Between entry and exit: account the program's time, count the call, look the function up in
//! [`CALLS`](super::CALLS) and call it as C with the arguments where they are; do what the thread was
//! asked to do (end, take a signal); account the kernel's time.

use core::{
    arch::{global_asm, naked_asm},
    mem::offset_of,
};

use kcore::{Accounts, frame::TrapFrame};

use crate::{
    arch::cpu::{CURRENT_OFFSET, RSP0_OFFSET, USER_RSP_OFFSET},
    proc::thread::{ACCOUNTS_OFFSET, WORK_OFFSET},
    syscall::process,
};

global_asm!(
    ".text",
    ".balign 16",
    ".globl syscall_entry",
    "syscall_entry:",
    "swapgs",
    "mov gs:[{user_rsp}], rsp",
    "mov rsp, gs:[{rsp0}]",
    "sub rsp, {frame_len}",
    "mov [rsp + {rip}], rcx",
    "mov [rsp + {flags}], r11",
    "mov rcx, gs:[{user_rsp}]",
    "mov [rsp + {rsp}], rcx",
    "mov [rsp + {rdx}], rdx",
    "mov [rsp + {rsi}], rsi",
    "mov [rsp + {rdi}], rdi",
    "mov [rsp + {r8}], r8",
    "mov [rsp + {r9}], r9",
    "mov [rsp + {r10}], r10",
    "fxsave64 [rsp + {frame_len}]",
    "mov r11, rax",
    "mov rcx, gs:[{current}]",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "add [rcx + {user_time}], rax",
    "inc qword ptr [rcx + {syscalls}]",
    "mov rdx, [rsp + {rdx}]",
    "mov rcx, r10",
    "cmp r11, {count}",
    "jae 4f",
    "call [{calls} + r11 * 8]",
    "2:",
    "mov rcx, gs:[{current}]",
    "cmp dword ptr [rcx + {work_offset}], 0",
    "jne 5f",
    "mov r11, rax",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "sub [rcx + {user_time}], rax",
    "fxrstor64 [rsp + {frame_len}]",
    "mov rax, r11",
    "mov rdx, [rsp + {rdx}]",
    "mov rsi, [rsp + {rsi}]",
    "mov rdi, [rsp + {rdi}]",
    "mov r8, [rsp + {r8}]",
    "mov r9, [rsp + {r9}]",
    "mov r10, [rsp + {r10}]",
    "mov rcx, [rsp + {rip}]",
    "mov r11, [rsp + {flags}]",
    "mov rsp, [rsp + {rsp}]",
    "swapgs",
    "sysretq",
    "4:",
    "call {unknown}",
    "jmp 2b",
    // Something to do first: complete the frame, since a signal's handler may be called with it, and
    // go back with all of it.
    "5:",
    "mov [rsp + {rax}], rax",
    "mov [rsp + {rbx}], rbx",
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
    user_time = const ACCOUNTS_OFFSET + Accounts::USER_OFFSET,
    syscalls = const ACCOUNTS_OFFSET + Accounts::SYSCALLS_OFFSET,
    work_offset = const WORK_OFFSET,
    frame_len = const size_of::<TrapFrame>(),
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
    rbx = const offset_of!(TrapFrame, rbx),
    r10 = const offset_of!(TrapFrame, r10),
    r9 = const offset_of!(TrapFrame, r9),
    r8 = const offset_of!(TrapFrame, r8),
    rdi = const offset_of!(TrapFrame, rdi),
    rsi = const offset_of!(TrapFrame, rsi),
    rdx = const offset_of!(TrapFrame, rdx),
    rax = const offset_of!(TrapFrame, rax),
    r11 = const offset_of!(TrapFrame, r11),
    rcx = const offset_of!(TrapFrame, rcx),
    rip = const offset_of!(TrapFrame, rip),
    flags = const offset_of!(TrapFrame, flags),
    rsp = const offset_of!(TrapFrame, rsp),
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
        "mov [rsp + 8 + {rbx}], rbx",
        "lea rdi, [rsp + 8]",
        "jmp {fork}",
        r15 = const offset_of!(TrapFrame, r15),
        r14 = const offset_of!(TrapFrame, r14),
        r13 = const offset_of!(TrapFrame, r13),
        r12 = const offset_of!(TrapFrame, r12),
        rbp = const offset_of!(TrapFrame, rbp),
        rbx = const offset_of!(TrapFrame, rbx),
        fork = sym process::fork,
    )
}

/// Where a `syscall` instruction leads.
pub(crate) fn address() -> u64 {
    (&raw const syscall_entry) as u64
}
