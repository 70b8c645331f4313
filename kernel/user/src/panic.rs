//! What a panic does: one line on the console, then the end of the whole process.

use core::panic::PanicInfo;

use kernel_bridge::kernel::syscall;

/// The status of a process that panicked, as on other systems' Rust.
const PANICKED: i32 = 101;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => crate::println!("panic at {}:{}: {}", at.file(), at.line(), info.message()),
        None => crate::println!("panic: {}", info.message()),
    }
    syscall::exit_group(PANICKED)
}

/// Referenced by the prebuilt `core`, which was compiled to unwind; never called, because every
/// panic ends in `exit_group`.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As [`rust_eh_personality`]: a symbol to link against.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    syscall::exit_group(PANICKED)
}
