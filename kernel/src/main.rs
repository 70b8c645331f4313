//! A small SMP kernel that runs threads of ring-3 programs inside QEMU.
//!
//! Reading order: `boot` (from the loader's jump to the first program), `trap` and `syscall` (in and
//! out of ring 3), `sched` (who runs), `proc` (what runs), `mm` (what it may touch), `fs` (what it
//! reads), `console` (what it is typed), `trace` (what it did). `arch` is the machine below all of them; what needs no machine is in the crate `kcore`.
//!
//! The kernel runs with interrupts off, always, but for the one instruction that halts an idle CPU.
//! So nothing of it is ever interrupted, its locks are spin locks with short critical sections, and
//! the only places where it can lose the CPU are the switches of `sched`.
#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod boot;
mod console;
mod exit_code;
mod fs;
mod ipc;
mod mm;
mod proc;
mod sched;
mod syscall;
mod trace;
mod trap;

/// Prints where and why, and leaves QEMU with a status of its own.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let (file, line) = info
        .location()
        .map_or(("?", 0), |at| (at.file(), at.line()));
    let message = info.message();
    arch::serial::print_last_words(format_args!("kernel: panic at {file}:{line}: {message}\n"));
    arch::qemu::exit(exit_code::PANIC)
}
