//! The first instructions of the first CPU: from 32-bit protected mode to Rust in the higher half.
//!
//! # Protocol
//! QEMU loads the file, finds the entry in the PVH note, and jumps there with paging off, flat
//! segments, and `ebx` = the physical address of `hvm_start_info`. The page tables are data of the
//! file: they map the first 4 GiB three times: at 0 (until the kernel has its own tables), at the
//! physical map, and the first GiB also at the kernel's base. SSE is switched on before any Rust
//! runs, because the prebuilt `core` uses it.

use core::arch::global_asm;

global_asm!(
    // The PVH note: name size, descriptor size, type 18, "Xen", the entry's physical address.
    ".section .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4",
    ".long 8",
    ".long 18",
    ".asciz \"Xen\"",
    ".quad _start",

    ".section .boot, \"awx\"",
    ".code32",
    ".globl _start",
    "_start:",
    "cld",
    "mov esi, ebx",
    "mov eax, cr4",
    "or eax, 0x6a0", // PAE, PGE, OSFXSR, OSXMMEXCPT
    "mov cr4, eax",
    "mov eax, offset boot_pml4",
    "mov cr3, eax",
    "mov ecx, 0xc0000080", // EFER: SCE, LME, NXE
    "rdmsr",
    "or eax, 0x901",
    "wrmsr",
    "mov eax, 0x80010023", // CR0: PG, WP, NE, MP, PE; EM and TS clear
    "mov cr0, eax",
    "lgdt [boot_gdt_pointer]",
    // A far jump into the 64-bit segment: opcode, offset, selector.
    ".byte 0xea",
    ".long boot_long",
    ".word 8",

    ".code64",
    "boot_long:",
    "xor eax, eax",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "mov fs, eax",
    "mov gs, eax",
    "movabs rsp, offset boot_stack_end",
    "mov edi, esi",
    "xor ebp, ebp",
    "movabs rax, offset {main}",
    "call rax",
    "ud2",

    ".balign 8",
    "boot_gdt:",
    ".quad 0",
    ".quad 0x00af9b000000ffff",
    "boot_gdt_end:",
    "boot_gdt_pointer:",
    ".word boot_gdt_end - boot_gdt - 1",
    ".long boot_gdt",

    ".balign 4096",
    ".globl boot_pml4",
    "boot_pml4:",
    ".quad boot_pdpt_low + 3",
    ".fill 255, 8, 0",
    ".quad boot_pdpt_low + 3",
    ".fill 254, 8, 0",
    ".quad boot_pdpt_high + 3",
    "boot_pdpt_low:",
    ".quad boot_pd + 3, boot_pd + 0x1003, boot_pd + 0x2003, boot_pd + 0x3003",
    ".fill 508, 8, 0",
    "boot_pdpt_high:",
    ".fill 510, 8, 0",
    ".quad boot_pd + 3",
    ".quad 0",
    "boot_pd:",
    ".set boot_page, 0x83", // present, writable, 2 MiB
    ".rept 2048",
    ".quad boot_page",
    ".set boot_page, boot_page + 0x200000",
    ".endr",

    ".section .bss",
    ".balign 16",
    ".skip 0x8000",
    "boot_stack_end:",
    ".text",
    main = sym crate::boot::start::boot_main,
);
