//! The processor's page tables: four levels of 512 entries.
//!
//! # Who owns what
//! A [`PageTable`] owns its root and every table below user entries; the frames that the leaves name
//! belong to whoever mapped them. The entries of the kernel half are shared by all tables and made
//! once, at boot. Changes are made under the lock of the address space; the processor itself sets
//! the accessed and dirty bits at any time, so entries are atomics.

use core::sync::atomic::{AtomicU64, Ordering};

use kcore::{PAGE_SIZE, Protection, UserRange};

use crate::mm::{
    frames::{Frame, OutOfFrames},
    phys::{self, PhysAddr},
};

pub(crate) const PRESENT: u64 = 1 << 0;
pub(crate) const WRITABLE: u64 = 1 << 1;
pub(crate) const USER: u64 = 1 << 2;
pub(crate) const NO_CACHE: u64 = 1 << 4;
pub(crate) const LARGE: u64 = 1 << 7;
pub(crate) const GLOBAL: u64 = 1 << 8;
pub(crate) const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

const ENTRIES: usize = 512;
/// The first entry of the root that belongs to the kernel.
const KERNEL_HALF: usize = 256;

type Table = [AtomicU64; ENTRIES];

/// A root and the tables below it.
#[derive(Debug)]
pub(crate) struct PageTable {
    root: Frame,
}

/// The leaf flags for a user page.
fn leaf_flags(protection: Protection) -> u64 {
    let write = if protection.write { WRITABLE } else { 0 };
    let execute = if protection.execute { 0 } else { NO_EXECUTE };
    PRESENT | USER | write | execute
}

fn table(address: PhysAddr) -> &'static Table {
    // SAFETY: only called with addresses of tables, which are full of atomics and stay tables as long
    // as their address space lives, which the callers hold.
    unsafe { phys::object(address) }
}

fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level)) as usize % ENTRIES
}

impl PageTable {
    /// An empty table, kernel half included.
    pub(super) fn empty() -> Result<Self, OutOfFrames> {
        Ok(Self {
            root: Frame::zeroed()?,
        })
    }

    /// An empty table with `kernel`'s upper half.
    pub(crate) fn with_kernel_half(kernel: PhysAddr) -> Result<Self, OutOfFrames> {
        let new = Self::empty()?;
        let (from, to) = (table(kernel), table(new.root()));
        for entry in KERNEL_HALF..ENTRIES {
            // ORDERING: Relaxed: the kernel half never changes after boot.
            to[entry].store(from[entry].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Ok(new)
    }

    /// The root's address, for the processor.
    pub(crate) fn root(&self) -> PhysAddr {
        self.root.address()
    }

    /// Maps a user page to a frame; the frame is the page table's until it is unmapped.
    ///
    /// # Errors
    /// The frame comes back if there is none for a table.
    ///
    /// # Panics
    /// If the page is mapped already.
    pub(crate) fn map_user(
        &mut self,
        page: u64,
        frame: Frame,
        protection: Protection,
    ) -> Result<(), Frame> {
        match self.entry_for(page, 0, USER) {
            Ok(entry) => {
                let old = entry.swap(
                    frame.into_address().0 | leaf_flags(protection),
                    Ordering::Release,
                );
                assert!(old == 0, "invariant: page {page:#x} is mapped once");
                Ok(())
            }
            Err(OutOfFrames) => Err(frame),
        }
    }

    /// Maps a kernel page (or, with [`LARGE`], 2 MiB) to an address.
    pub(super) fn map_kernel(
        &mut self,
        page: u64,
        to: PhysAddr,
        flags: u64,
    ) -> Result<(), OutOfFrames> {
        let level = u32::from(flags & LARGE != 0);
        let entry = self.entry_for(page, level, 0)?;
        entry.store(to.0 | flags | PRESENT, Ordering::Release);
        Ok(())
    }

    /// Makes sure that the root has an entry for `page`, so that all copies of the upper half agree.
    pub(super) fn reserve_kernel(&mut self, page: u64) -> Result<(), OutOfFrames> {
        self.entry_for(page, 2, 0).map(|_| ())
    }

    /// Whether the page is mapped so that `write` or `execute` would work.
    pub(crate) fn allows(&self, page: u64, write: bool, execute: bool) -> bool {
        self.leaf(page).is_ok_and(|entry| {
            let entry = entry.load(Ordering::Acquire);
            entry & PRESENT != 0
                && (!write || entry & WRITABLE != 0)
                && (!execute || entry & NO_EXECUTE == 0)
        })
    }

    /// Unmaps all pages of a range and hands each frame to `take`.
    pub(crate) fn unmap(&mut self, range: UserRange, mut take: impl FnMut(Frame)) {
        let mut page = range.start();
        while page < range.end() {
            match self.leaf(page) {
                Ok(entry) => {
                    // ORDERING: AcqRel: before the shoot-down, which has its own fence.
                    let old = entry.swap(0, Ordering::AcqRel);
                    if old & PRESENT != 0 {
                        take(Frame::from_address(PhysAddr(old & ADDRESS)));
                    }
                    page += PAGE_SIZE;
                }
                // No table: nothing is mapped up to the end of what it would cover.
                Err(covered) => page = (page | (covered - 1)) + 1,
            }
        }
    }

    /// The leaf entry of a page; if there is no table for it, how many bytes the missing one covers.
    fn leaf(&self, page: u64) -> Result<&'static AtomicU64, u64> {
        let mut at = table(self.root());
        for level in [3, 2, 1] {
            let entry = at[index(page, level)].load(Ordering::Acquire);
            if entry & PRESENT == 0 {
                return Err(1 << (12 + 9 * level));
            }
            at = table(PhysAddr(entry & ADDRESS));
        }
        Ok(&at[index(page, 0)])
    }

    /// The entry at `level` for a page; makes the tables above it.
    fn entry_for(
        &mut self,
        page: u64,
        level: u32,
        flags: u64,
    ) -> Result<&'static AtomicU64, OutOfFrames> {
        let mut at = table(self.root());
        for level in (level + 1..4).rev() {
            let entry = &at[index(page, level)];
            let mut value = entry.load(Ordering::Acquire);
            if value & PRESENT == 0 {
                value = Frame::zeroed()?.into_address().0 | PRESENT | WRITABLE | flags;
                // ORDERING: Release: the processor sees the zeros before the table.
                entry.store(value, Ordering::Release);
            }
            at = table(PhysAddr(value & ADDRESS));
        }
        Ok(&at[index(page, level)])
    }
}

impl Drop for PageTable {
    /// Gives back the tables of the user half and the root. Frames that leaves name must be gone.
    fn drop(&mut self) {
        fn release(at: PhysAddr, level: u32, entries: core::ops::Range<usize>) {
            for entry in &table(at)[entries] {
                let value = entry.load(Ordering::Acquire);
                if value & PRESENT != 0 && level > 0 {
                    let below = PhysAddr(value & ADDRESS);
                    release(below, level - 1, 0..ENTRIES);
                    Frame::from_address(below).release();
                }
            }
        }
        release(self.root(), 3, 0..KERNEL_HALF);
        Frame::from_address(self.root()).release();
    }
}
