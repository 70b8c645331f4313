//! The kernel's own page tables: write xor execute, nothing in the lower half.

use core::sync::atomic::{AtomicU64, Ordering};

use kcore::{
    OutOfFrames, PAGE_SIZE, PageFrame as _, SpinLock,
    page_table::flag::{GLOBAL, LARGE, NO_CACHE, NO_EXECUTE, WRITABLE},
};
use x86_64::{
    PhysAddr as X86PhysAddr,
    registers::control::{Cr3, Cr3Flags},
    structures::paging::PhysFrame,
};

use crate::mm::{
    frames::Frame,
    phys::{self, PhysAddr},
    stacks,
};

const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
const LARGE_PAGE: u64 = 2 << 20;
/// From here to 4 GiB are devices.
const DEVICES: u64 = 0xfe00_0000;

unsafe extern "C" {
    static kernel_text_start: u8;
    static kernel_text_end: u8;
    static kernel_rodata_end: u8;
    static kernel_end: u8;
}

type PageTable = kcore::page_table::PageTable<Frame>;

static TABLE: SpinLock<Option<PageTable>> = SpinLock::new(None);
static ROOT: AtomicU64 = AtomicU64::new(0);

/// The first physical address behind the kernel.
pub(super) fn image_end() -> u64 {
    (&raw const kernel_end) as u64 - KERNEL_BASE
}

/// Makes the tables and loads them on the calling CPU.
pub(super) fn init() {
    let table = build().expect("there is memory for the first tables");
    ROOT.store(table.root(), Ordering::Release);
    *TABLE.lock() = Some(table);
    load();
}

fn build() -> Result<PageTable, OutOfFrames> {
    let mut table = PageTable::empty()?;
    for address in (0..phys::MAPPED).step_by(LARGE_PAGE as usize) {
        let cache = if address >= DEVICES { NO_CACHE } else { 0 };
        let flags = LARGE | WRITABLE | NO_EXECUTE | GLOBAL | cache;
        table.map_kernel(phys::map_start() + address, address, flags)?;
    }
    let text = (&raw const kernel_text_start) as u64;
    let rodata = (&raw const kernel_text_end) as u64;
    let data = (&raw const kernel_rodata_end) as u64;
    let end = (&raw const kernel_end) as u64;
    for (start, end, flags) in [
        (text, rodata, GLOBAL),
        (rodata, data, GLOBAL | NO_EXECUTE),
        (data, end, GLOBAL | NO_EXECUTE | WRITABLE),
    ] {
        for page in (start..end).step_by(PAGE_SIZE as usize) {
            table.map_kernel(page, page - KERNEL_BASE, flags)?;
        }
    }
    for page in stacks::area().step_by(LARGE_PAGE as usize) {
        table.reserve_kernel(page)?;
    }
    Ok(table)
}

/// The root of the kernel's tables.
pub(crate) fn root() -> u64 {
    // ORDERING: Acquire pairs with `init`.
    ROOT.load(Ordering::Acquire)
}

/// Loads the kernel's tables: no program's memory is mapped then.
pub(crate) fn load() {
    // SAFETY: the tables map the kernel as it is.
    unsafe { load_root(PhysAddr(root())) };
}

/// Makes the processor use the tables below `root`.
///
/// # Safety
/// They must have the kernel's upper half and live as long as they are loaded.
pub(super) unsafe fn load_root(root: PhysAddr) {
    let frame = PhysFrame::containing_address(X86PhysAddr::new(root.0));
    // SAFETY: the caller's promise.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}

/// Maps a writable page of a kernel stack. Not global, so that it can be forgotten like a user page.
pub(super) fn map(page: u64, frame: Frame) {
    let mut table = TABLE.lock();
    let table = table
        .as_mut()
        .expect("invariant: the kernel has its tables before it has stacks");
    let mapped = table.map_kernel(page, frame.into_address(), WRITABLE | NO_EXECUTE);
    mapped.expect("invariant: the tables of all stacks are made at boot");
}

/// Unmaps a page of a kernel stack. CPUs may still know it.
pub(super) fn unmap(page: u64) -> Frame {
    let mut table = TABLE.lock();
    let table = table.as_mut().expect("invariant: as in `map`");
    table.unmap_kernel(page)
}
