//! The memory functions that compiled code calls by name: `memcpy`, `memmove`, `memset`, `memcmp`,
//! `bcmp` and `strlen`.
//!
//! They are assembly because the compiler may turn a loop in Rust into a call to the very function
//! that the loop is meant to be. No `rep` prefix is used: an emulated processor runs a `rep` string
//! instruction byte by byte, and the instruction counts of this kernel are a result that is published.
//!
//! Sixteen bytes at a time, first or last block overlapping the rest, so that no length needs a byte
//! loop. In both copies the block that a loop would have overwritten is loaded before the loop starts.

core::arch::global_asm!(
    r#"
    .section .text.memory, "ax"
    .global memcpy
    .global memmove
    .global memset
    .global memcmp
    .global bcmp
    .global strlen

    .p2align 4
memmove:
    mov rax, rdi
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 20f
    .p2align 4
memcpy:
    mov rax, rdi
    cmp rdx, 16
    jb 30f
    movups xmm1, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 16]
    cmp rdi, r8
    jae 12f
11: movups xmm0, [rsi]
    add rsi, 16
    movups [rdi], xmm0
    add rdi, 16
    cmp rdi, r8
    jb 11b
12: movups [r8], xmm1
    ret

    // The destination starts inside the source: copy from the end.
20: cmp rdx, 16
    jb 30f
    movups xmm1, [rsi]
21: sub rdx, 16
    jbe 22f
    movups xmm0, [rsi + rdx]
    movups [rdi + rdx], xmm0
    jmp 21b
22: movups [rdi], xmm1
    ret

    // Fewer than 16 bytes: all loads before the first store, so overlap is of no concern.
30: cmp edx, 8
    jb 31f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
31: cmp edx, 4
    jb 32f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
32: test edx, edx
    jz 33f
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    mov r9d, edx
    shr r9d, 1
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
33: ret

    .p2align 4
memset:
    mov rax, rdi
    movzx esi, sil
    mov r8, 0x0101010101010101
    imul r8, rsi
    cmp rdx, 16
    jb 41f
    movq xmm0, r8
    punpcklqdq xmm0, xmm0
    lea r9, [rdi + rdx - 16]
40: movups [rdi], xmm0
    add rdi, 16
    cmp rdi, r9
    jb 40b
    movups [r9], xmm0
    ret
41: cmp edx, 8
    jb 42f
    mov [rdi], r8
    mov [rdi + rdx - 8], r8
    ret
42: cmp edx, 4
    jb 43f
    mov [rdi], r8d
    mov [rdi + rdx - 4], r8d
    ret
43: test edx, edx
    jz 44f
    mov r9d, edx
    shr r9d, 1
    mov [rdi], r8b
    mov [rdi + r9], r8b
    mov [rdi + rdx - 1], r8b
44: ret

    .p2align 4
memcmp:
bcmp:
    cmp rdx, 8
    jb 52f
50: mov rcx, [rdi]
    mov r8, [rsi]
    cmp rcx, r8
    jne 51f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    cmp rdx, 8
    jae 50b
    jmp 52f
    // Eight bytes differ: the lowest address decides, which is the highest byte once swapped.
51: bswap rcx
    bswap r8
    xor eax, eax
    cmp rcx, r8
    seta al
    sbb eax, 0
    ret
52: test rdx, rdx
    jz 54f
53: movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    sub eax, ecx
    jne 55f
    inc rdi
    inc rsi
    dec rdx
    jnz 53b
54: xor eax, eax
55: ret

    .p2align 4
strlen:
    mov rax, rdi
60: cmp byte ptr [rax], 0
    je 61f
    inc rax
    jmp 60b
61: sub rax, rdi
    ret
"#
);
