//! The first instruction of a program, and the return from its `main`.
//!
//! The kernel enters at `_start` with `rdi` = number of arguments and `rsi` = their table, and
//! supplies no return address. The program's status is what `main` returns, given to `exit_group`:
//! returning from `main` ends every thread of the process.

use core::ffi::c_char;

use kernel_bridge::kernel::syscall;

use crate::Args;

unsafe extern "Rust" {
    /// The program's `main`, defined by [`program!`](crate::program).
    safe fn user_main(args: Args) -> i32;
}

/// Where the kernel enters the program. Aligns the stack as the ABI asks before the first call.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!("xor ebp, ebp", "and rsp, -16", "call {}", "ud2", sym enter)
}

/// # Safety
/// `count` and `words` must be the registers that the kernel started the program with.
unsafe extern "C" fn enter(count: usize, words: *const *const c_char) -> ! {
    // SAFETY: the caller passes the kernel's own registers, which describe `argv` on the first stack.
    let args = unsafe { Args::new(count, words) };
    syscall::exit_group(user_main(args))
}

/// Names the function that a program starts in: `fn(Args) -> i32`, its result the exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn user_main(args: $crate::Args) -> i32 {
            $main(args)
        }
    };
}
