//! What the kernel must keep for a thread: every register, across calls and across preemption.

use alloc::vec::Vec;

use user::syscall::{self, number};
use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("a call keeps the registers it must", call_keeps),
    (
        "preemption keeps general and vector registers",
        preemption_keeps,
    ),
    ("each thread has its own FS base", fs_base),
    ("each thread has its own rounding mode", rounding),
];

const MS: u64 = 1_000_000;

fn call_keeps() {
    for seed in 0..100_u64 {
        let pattern = 0x0123_4567_89ab_cdef_u64.rotate_left(seed as u32);
        let differing: u64;
        // SAFETY: gettid touches no memory; rbx, which the compiler keeps for itself, is put back,
        // and every other register that is written is named.
        unsafe {
            core::arch::asm!(
                "push rbx",
                "push rbp",
                "mov rbx, r13",
                "lea rbp, [r13 + 1]",
                "lea r12, [r13 + 2]",
                "lea r14, [r13 + 3]",
                "lea r15, [r13 + 4]",
                "lea rdi, [r13 + 5]",
                "lea rsi, [r13 + 6]",
                "lea rdx, [r13 + 7]",
                "lea r8, [r13 + 8]",
                "lea r9, [r13 + 9]",
                "lea r10, [r13 + 10]",
                "syscall",
                // What differs is collected bit by bit.
                "xor ecx, ecx",
                "sub rbx, r13", "or rcx, rbx",
                "sub rbp, r13", "sub rbp, 1", "or rcx, rbp",
                "sub r12, r13", "sub r12, 2", "or rcx, r12",
                "sub r14, r13", "sub r14, 3", "or rcx, r14",
                "sub r15, r13", "sub r15, 4", "or rcx, r15",
                "sub rdi, r13", "sub rdi, 5", "or rcx, rdi",
                "sub rsi, r13", "sub rsi, 6", "or rcx, rsi",
                "sub rdx, r13", "sub rdx, 7", "or rcx, rdx",
                "sub r8, r13", "sub r8, 8", "or rcx, r8",
                "sub r9, r13", "sub r9, 9", "or rcx, r9",
                "sub r10, r13", "sub r10, 10", "or rcx, r10",
                "pop rbp",
                "pop rbx",
                inlateout("rax") number::YIELD => _,
                inout("r13") pattern => _,
                lateout("rcx") differing,
                out("rdi") _, out("rsi") _, out("rdx") _,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                out("r12") _, out("r14") _, out("r15") _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            );
        }
        assert_eq!(differing, 0, "a register changed across a call");
    }
}

/// Fills registers with patterns of `seed`, spins `turns` times without a call, and returns the bits
/// that have changed.
fn spin_with_patterns(seed: u64, turns: u64) -> u64 {
    let differing: u64;
    // SAFETY: no memory is touched; every register that is written is named.
    unsafe {
        core::arch::asm!(
            "lea r8, [rdi + 1]",
            "lea r9, [rdi + 2]",
            "lea r10, [rdi + 3]",
            "lea r12, [rdi + 4]",
            "lea r14, [rdi + 5]",
            "movq xmm0, rdi",
            "movq xmm7, r8",
            "movq xmm8, r9",
            "movq xmm15, r10",
            "2:",
            "dec rsi",
            "jnz 2b",
            "movq rax, xmm0", "xor rax, rdi",
            "movq rcx, xmm7", "xor rcx, r8", "or rax, rcx",
            "movq rcx, xmm8", "xor rcx, r9", "or rax, rcx",
            "movq rcx, xmm15", "xor rcx, r10", "or rax, rcx",
            "sub r8, rdi", "sub r8, 1", "or rax, r8",
            "sub r9, rdi", "sub r9, 2", "or rax, r9",
            "sub r10, rdi", "sub r10, 3", "or rax, r10",
            "sub r12, rdi", "sub r12, 4", "or rax, r12",
            "sub r14, rdi", "sub r14, 5", "or rax, r14",
            in("rdi") seed,
            inout("rsi") turns => _,
            out("rax") differing,
            out("rcx") _, out("r8") _, out("r9") _, out("r10") _, out("r12") _, out("r14") _,
            out("xmm0") _, out("xmm7") _, out("xmm8") _, out("xmm15") _,
            options(nomem, nostack),
        );
    }
    differing
}

fn preemption_keeps() {
    // More threads than processors, each spinning for several quanta: all of them are preempted.
    let threads: Vec<_> = (0..2 * syscall::cpu_count() as u64 + 1)
        .map(|index| {
            thread::spawn(move || {
                let until = syscall::clock() + 30 * MS;
                let mut differing = 0;
                while syscall::clock() < until {
                    differing |= spin_with_patterns(0x1111_1111_1111_1111 * (index + 1), 100_000);
                }
                i32::from(differing != 0)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(
            thread.join(),
            0,
            "a register changed while the thread was preempted"
        );
    }
}

fn set_fs_base(value: usize) {
    // SAFETY: these programs keep nothing else in FS.
    unsafe { core::arch::asm!("wrfsbase {}", in(reg) value, options(nomem, nostack)) };
}

fn read_fs_base() -> usize {
    let value;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("rdfsbase {}", out(reg) value, options(nomem, nostack)) };
    value
}

fn fs_base() {
    let before = read_fs_base();
    let threads: Vec<_> = (1..=6_usize)
        .map(|index| {
            thread::spawn(move || {
                let fresh = read_fs_base();
                let mine = index << 32 | 0x40;
                set_fs_base(mine);
                let until = syscall::clock() + 10 * MS;
                let mut kept = fresh == 0;
                while syscall::clock() < until {
                    kept &= read_fs_base() == mine;
                    if index % 2 == 0 {
                        syscall::yield_now();
                    }
                }
                i32::from(kept && read_fs_base() == mine)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(
            thread.join(),
            1,
            "an FS base was lost, or a fresh one was not zero"
        );
    }
    assert_eq!(read_fs_base(), before);
}

fn rounding_mode(set: Option<u32>) -> u32 {
    let mut control = set.unwrap_or(0);
    if set.is_some() {
        // SAFETY: loads the control word from a local; only rounding bits differ from the default.
        unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack)) };
    }
    // SAFETY: stores the control word to a local.
    unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack)) };
    control
}

fn rounding() {
    const DEFAULT: u32 = 0x1f80;
    assert_eq!(rounding_mode(None) & !0x3f, DEFAULT);
    let threads: Vec<_> = (0..4_u32)
        .map(|index| {
            thread::spawn(move || {
                let fresh = rounding_mode(None) & !0x3f;
                let mine = DEFAULT | index << 13;
                rounding_mode(Some(mine));
                for _ in 0..200 {
                    syscall::yield_now();
                    if rounding_mode(None) & !0x3f != mine {
                        return 0;
                    }
                }
                i32::from(fresh == DEFAULT)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(
            thread.join(),
            1,
            "a control word was lost, or a fresh one was not the default"
        );
    }
}
