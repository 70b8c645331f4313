//! The assembly between a `syscall` instruction and Rust, and back.
//!
//! # Protocol
//! The same frame as after an interrupt, so that whoever looks at a stopped program finds its
//! registers in one place. The vector registers are stored as well: programs built elsewhere keep
//! values in them across a system call, and no value of the kernel gets out. On the way back the
//! callee-saved registers need no load: Rust has preserved them.

use core::arch::global_asm;

use crate::arch::{
    cpu::{RSP0_OFFSET, USER_RSP_OFFSET},
    tables::{USER_CODE, USER_DATA},
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
    "sub rsp, 16",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "fxsave64 [rsp + 176]",
    "mov rdi, rsp",
    "call {dispatch}",
    "fxrstor64 [rsp + 176]",
    "add rsp, 56",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "mov rax, [rsp + 8]",
    "mov rcx, [rsp + 32]",
    "mov r11, [rsp + 48]",
    "mov rsp, [rsp + 56]",
    "swapgs",
    "sysretq",
    user_rsp = const USER_RSP_OFFSET,
    rsp0 = const RSP0_OFFSET,
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    dispatch = sym super::dispatch,
);

unsafe extern "C" {
    static syscall_entry: u8;
}

/// Where a `syscall` instruction leads.
pub(crate) fn address() -> u64 {
    (&raw const syscall_entry) as u64
}
