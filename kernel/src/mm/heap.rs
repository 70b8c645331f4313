//! The kernel's heap: one piece of memory behind the kernel, taken at boot.
//!
//! # Who owns what
//! `HEAP` carries its own lock, the innermost of all: nothing is locked under it, so it may be taken
//! under any other.

use kcore::PAGE_SIZE;
use spin::mutex::SpinMutex;
use talc::{TalcLock, source::Manual};

use crate::{
    boot::pvh::{BootInfo, PhysRange},
    mm::{kernel_space, phys::PhysAddr},
};

const GREATEST: u64 = 32 << 20;

#[global_allocator]
static HEAP: TalcLock<SpinMutex<()>, Manual> = TalcLock::new(Manual);

/// Claims the heap; returns where it lies.
///
/// # Panics
/// If there is no RAM for it behind the kernel.
pub(super) fn init(boot: BootInfo) -> PhysRange {
    let start = kernel_space::image_end();
    let ram = boot
        .ram()
        .find(|range| range.start <= start && start < range.end)
        .expect("the memory map has the kernel in RAM");
    let limit = match boot.initrd_range() {
        Some(initrd) if initrd.start >= start => ram.end.min(initrd.start),
        _ => ram.end,
    };
    let size = ((limit.saturating_sub(start)) / 4).min(GREATEST) / PAGE_SIZE * PAGE_SIZE;
    let range = match boot.initrd_range() {
        // An initrd directly behind the kernel: begin after it.
        Some(initrd) if initrd.start < start + size && initrd.end > start => {
            let start = initrd.end.next_multiple_of(PAGE_SIZE);
            PhysRange {
                start,
                end: start + size,
            }
        }
        _ => PhysRange {
            start,
            end: start + size,
        },
    };
    assert!(
        size >= 4 << 20 && range.end <= ram.end,
        "too little memory: start QEMU with -m 64 or more"
    );
    let base = PhysAddr(range.start).pointer();
    // SAFETY: the range is RAM behind the kernel and beside the initrd; `frames::init` keeps it out of
    // what it gives away.
    let claimed = unsafe { HEAP.lock().claim(base, size as usize) };
    assert!(claimed.is_some(), "the heap is too small");
    range
}
