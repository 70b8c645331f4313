//! Memory: physical frames, page tables, address spaces, and the only ways to user memory.
//!
//! # Layout of addresses
//! | from | what |
//! |---|---|
//! | `0x1000` | programs, up to [`kcore::USER_END`] |
//! | `0xffff_8000_0000_0000` | the physical map: the first 4 GiB, writable, never executable |
//! | `0xffff_c000_0000_0000` | kernel stacks, a guard page below each |
//! | `0xffff_ffff_8000_0000` | the kernel: text, read-only data, data |

pub(crate) mod address_space;
pub(crate) mod frames;
pub(crate) mod heap;
pub(crate) mod kernel_space;
pub(crate) mod phys;
pub(crate) mod shootdown;
pub(crate) mod stacks;
pub(crate) mod uaccess;

use kcore::boot_info::BootInfo;

/// Sets up the heap, the frames and the kernel's own page tables, in this order.
pub(crate) fn init(boot: BootInfo<'_>) {
    let heap = heap::init(boot);
    frames::init(boot, heap);
    kernel_space::init();
}
