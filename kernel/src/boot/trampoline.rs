//! The first instructions of the other CPUs: from real mode straight to long mode.
//!
//! # Protocol
//! The first CPU copies the code between [`start`] and [`end`] to [`ADDRESS`], sets the mailbox, and
//! sends INIT and SIPI to one CPU. That CPU uses the boot page tables (they map low memory), jumps to
//! the higher half, takes the kernel's page tables and its own stack from the mailbox and calls Rust,
//! which says that it has come up. Only then is the mailbox set for the next CPU.

use core::{
    arch::global_asm,
    sync::atomic::{AtomicU64, Ordering},
};

/// Where the trampoline runs: page 8, the vector of the SIPI.
pub(crate) const ADDRESS: u64 = 0x8000;

/// Page-table root, stack end and CPU number for the CPU that starts next.
#[repr(C)]
struct Mailbox {
    root: AtomicU64,
    stack: AtomicU64,
    cpu: AtomicU64,
}

static MAILBOX: Mailbox = Mailbox {
    root: AtomicU64::new(0),
    stack: AtomicU64::new(0),
    cpu: AtomicU64::new(0),
};

global_asm!(
    ".section .rodata",
    ".balign 16",
    ".globl trampoline_start",
    "trampoline_start:",
    ".code16",
    "cli",
    "cld",
    "xor ax, ax",
    "mov ds, ax",
    // mov bx, the pointer's address: written out, because the assembler takes no difference there.
    ".byte 0xbb",
    ".word 0x8000 + trampoline_gdt_pointer - trampoline_start",
    "lgdt [bx]",
    "mov eax, 0x6a0", // CR4: PAE, PGE, OSFXSR, OSXMMEXCPT
    "mov cr4, eax",
    "mov eax, offset boot_pml4",
    "mov cr3, eax",
    "mov ecx, 0xc0000080", // EFER: SCE, LME, NXE
    "rdmsr",
    "or eax, 0x901",
    "wrmsr",
    "mov eax, 0x80010023", // CR0: PG, WP, NE, MP, PE
    "mov cr0, eax",
    // A far jump with a 32-bit offset into the 64-bit segment.
    ".byte 0x66, 0xea",
    ".long 0x8000 + trampoline_long - trampoline_start",
    ".word 8",
    ".code64",
    "trampoline_long:",
    "xor eax, eax",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "mov fs, eax",
    "mov gs, eax",
    "movabs rax, offset trampoline_high",
    "jmp rax",
    ".balign 8",
    "trampoline_gdt:",
    ".quad 0",
    ".quad 0x00af9b000000ffff",
    "trampoline_gdt_pointer:",
    ".word 15",
    ".long 0x8000 + trampoline_gdt - trampoline_start",
    ".globl trampoline_end",
    "trampoline_end:",

    ".text",
    "trampoline_high:",
    "mov rax, [rip + {mailbox}]",
    "mov cr3, rax",
    "mov rsp, [rip + {mailbox} + 8]",
    "mov rdi, [rip + {mailbox} + 16]",
    "xor ebp, ebp",
    "call {main}",
    "ud2",
    mailbox = sym MAILBOX,
    main = sym crate::boot::start::ap_main,
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// The code to copy.
pub(crate) fn code() -> &'static [u8] {
    let start = &raw const trampoline_start;
    let end = &raw const trampoline_end;
    // SAFETY: both symbols mark the same object in read-only data, which lives for ever.
    unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// Says what the next CPU takes.
pub(crate) fn set_mailbox(root: u64, stack_end: u64, cpu: u32) {
    // ORDERING: Release: the CPU that reads them starts by an interrupt sent afterwards; x86 keeps
    // stores in order.
    MAILBOX.root.store(root, Ordering::Release);
    MAILBOX.stack.store(stack_end, Ordering::Release);
    MAILBOX.cpu.store(u64::from(cpu), Ordering::Release);
}
