//! How the kernel leaves QEMU: the values written to the `isa-debug-exit` device.
//!
//! The device turns a written value `v` into the process status `(v << 1) | 1`.
//!
//! | written | status of QEMU | meaning | last line on the console |
//! |---|---|---|---|
//! | `0x10` | 33 | the first process ended with status 0 | `kernel: init exited with status 0` |
//! | `0x11` | 35 | the first process ended with another status | `kernel: init exited with status N` |
//! | `0x12` | 37 | the kernel panicked | `kernel: panic at FILE:LINE: …` |
//! | `0x13` | 39 | the initrd is missing or corrupt | `kernel: initrd: …` |
//! | `0x14` | 41 | the first program is missing or no ELF that can be run | `kernel: /prog: …` |
//!
//! The first process may also choose its own value with the system call `shutdown(code)`.

/// The first process ended with status 0.
pub(crate) const SUCCESS: u8 = 0x10;
/// The first process ended with a status other than 0, or died by a fault.
pub(crate) const FAILED: u8 = 0x11;
/// The kernel panicked or met a fault of its own.
pub(crate) const PANIC: u8 = 0x12;
/// The initrd is missing, truncated or no archive of the expected kind.
pub(crate) const BAD_INITRD: u8 = 0x13;
/// The first program is missing or is no ELF file that the kernel can run.
pub(crate) const BAD_ELF: u8 = 0x14;
