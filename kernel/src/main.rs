//! A small SMP kernel that runs threads of ring-3 programs inside QEMU.
#![no_std]
#![no_main]

mod exit_code;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
