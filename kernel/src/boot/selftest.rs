//! What happens if the kernel itself or the machine goes wrong: asked for on the boot command line, so
//! that a test can see the message.
//!
//! | `selftest=` | what it does | what must follow |
//! |---|---|---|
//! | `stack-overflow` | calls itself until its stack ends | a double fault, told as such |
//! | `interrupt` | opens interrupts with a lock held | a panic: none may come there |
//! | `null` | reads address 8 | a panic with the page fault |
//! | `lock` | leaves a thread for ever with a lock held; in a kernel with debug assertions only | a panic: none may be held there |
//! | `unexpected` | sends every CPU interrupts of nobody, before there is a program | all goes on, the end tells their number |

use core::hint::black_box;

use kcore::SpinLock;
use x86_64::instructions::interrupts;

use crate::arch::{clock, cpu, lapic, switch};

static LOCK: SpinLock<()> = SpinLock::new(());

/// Runs the test of this name, if there is one, on the calling CPU's idle stack.
pub(super) fn run(name: &str) -> bool {
    let test = match name {
        "stack-overflow" => stack_overflow,
        "interrupt" => interrupt,
        "null" => null,
        #[cfg(debug_assertions)]
        "lock" => lock,
        "unexpected" => {
            unexpected();
            return true;
        }
        _ => return false,
    };
    crate::println!("kernel: selftest {name}");
    // SAFETY: the idle thread has not started: its stack is mapped and not in use.
    unsafe { switch::call_on_stack(cpu::this().idle().stack_end(), test) }
}

extern "C" fn stack_overflow() -> ! {
    #[inline(never)]
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 32]);
        if depth == u64::MAX {
            return 0;
        }
        deeper(depth + 1) + frame[depth as usize % frame.len()]
    }
    panic!("the stack has no end: {}", deeper(0));
}

extern "C" fn interrupt() -> ! {
    let guard = LOCK.lock();
    clock::start_tick();
    interrupts::enable();
    loop {
        core::hint::spin_loop();
        black_box(&guard);
    }
}

extern "C" fn null() -> ! {
    let nowhere = black_box(8) as *const u64;
    // SAFETY: not sound, and meant to be: the access must fault.
    panic!("read {}", unsafe { nowhere.read_volatile() });
}

#[cfg(debug_assertions)]
extern "C" fn lock() -> ! {
    let _guard = LOCK.lock();
    crate::sched::leave_for_ever()
}

/// One vector of the old interrupt controller's, and one of nobody's.
fn unexpected() {
    for cpu in cpu::all() {
        lapic::send(cpu.apic_id(), 0x27);
        lapic::send(cpu.apic_id(), 0x50);
    }
}
