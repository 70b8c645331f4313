//! The processor's page tables: four levels of 512 entries.
//!
//! # Who owns what
//! A [`PageTable`] owns its root and every table below user entries (`tables` names them, so that
//! nobody has to look for them at the end); the frames that the leaves name belong to whoever mapped
//! them. The entries of the kernel half are shared by all tables and made
//! once, at boot. Changes are made under the lock of the address space; the processor itself sets
//! the accessed and dirty bits at any time, so entries are atomics.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::{
    page_frame::{OutOfFrames, PageFrame, TABLE_LEN, Table},
    regions::Protection,
    sync::{AtomicU64, Ordering},
    user_range::{PAGE_SIZE, UserRange},
};

/// Bits of an entry, as the processor knows them.
pub mod flag {
    /// The entry stands for something.
    pub const PRESENT: u64 = 1 << 0;
    /// It may be written.
    pub const WRITABLE: u64 = 1 << 1;
    /// Programs may use it.
    pub const USER: u64 = 1 << 2;
    /// Accesses go past the caches.
    pub const NO_CACHE: u64 = 1 << 4;
    /// A leaf of 2 MiB.
    pub const LARGE: u64 = 1 << 7;
    /// The same in all page tables.
    pub const GLOBAL: u64 = 1 << 8;
    /// It may not be executed.
    pub const NO_EXECUTE: u64 = 1 << 63;
}
use flag::{LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE};

/// The bits of an entry that say where what it stands for lies.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The first entry of the root that belongs to the kernel.
const KERNEL_HALF: usize = 256;

/// A root and the tables below it.
#[derive(Debug)]
pub struct PageTable<F: PageFrame> {
    root: F,
    tables: Vec<F>,
}

/// The leaf flags for a user page.
fn leaf_flags(protection: Protection) -> u64 {
    let write = if protection.write { WRITABLE } else { 0 };
    let execute = if protection.execute { 0 } else { NO_EXECUTE };
    PRESENT | USER | write | execute
}

fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level)) as usize % TABLE_LEN
}

impl<F: PageFrame> PageTable<F> {
    /// An empty table, kernel half included.
    pub fn empty() -> Result<Self, OutOfFrames> {
        Ok(Self {
            root: F::zeroed()?,
            tables: Vec::new(),
        })
    }

    /// An empty table with `kernel`'s upper half.
    pub fn with_kernel_half(kernel: u64) -> Result<Self, OutOfFrames> {
        let new = Self::empty()?;
        let (from, to) = (F::table(kernel), F::table(new.root()));
        for entry in KERNEL_HALF..TABLE_LEN {
            // ORDERING: Relaxed: the kernel half never changes after boot.
            to[entry].store(from[entry].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Ok(new)
    }

    /// The root's address, for the processor.
    pub fn root(&self) -> u64 {
        self.root.address()
    }

    /// Maps a user page to a frame; the frame is the page table's until it is unmapped.
    ///
    /// # Errors
    /// The frame comes back if there is none for a table.
    ///
    /// # Panics
    /// If the page is mapped already.
    pub fn map_user(&mut self, page: u64, frame: F, protection: Protection) -> Result<(), F> {
        match self.entry_for(page, 0, USER) {
            Ok(entry) => {
                let old = entry.swap(
                    frame.into_address() | leaf_flags(protection),
                    Ordering::Release,
                );
                assert!(old == 0, "invariant: page {page:#x} is mapped once");
                Ok(())
            }
            Err(OutOfFrames) => Err(frame),
        }
    }

    /// Maps a kernel page (or, with [`LARGE`], 2 MiB) to an address.
    pub fn map_kernel(&mut self, page: u64, to: u64, flags: u64) -> Result<(), OutOfFrames> {
        let level = u32::from(flags & LARGE != 0);
        let entry = self.entry_for(page, level, 0)?;
        entry.store(to | flags | PRESENT, Ordering::Release);
        Ok(())
    }

    /// Unmaps a kernel page.
    ///
    /// # Panics
    /// If it is not mapped.
    pub fn unmap_kernel(&mut self, page: u64) -> F {
        // ORDERING: AcqRel: before any later use of the frame.
        let entry = self
            .leaf(page)
            .map_or(0, |leaf| leaf.swap(0, Ordering::AcqRel));
        assert!(
            entry & PRESENT != 0,
            "invariant: a stack's page {page:#x} is mapped"
        );
        F::from_address(entry & ADDRESS)
    }

    /// Makes the tables for `page`, so that all copies of the upper half agree.
    pub fn reserve_kernel(&mut self, page: u64) -> Result<(), OutOfFrames> {
        self.entry_for(page, 0, 0).map(|_| ())
    }

    /// Whether the page is mapped so that `write` or `execute` would work.
    pub fn allows(&self, page: u64, write: bool, execute: bool) -> bool {
        self.leaf(page).is_ok_and(|entry| {
            let entry = entry.load(Ordering::Acquire);
            entry & PRESENT != 0
                && (!write || entry & WRITABLE != 0)
                && (!execute || entry & NO_EXECUTE == 0)
        })
    }

    /// The physical address that a mapped one stands for.
    pub fn physical(&self, address: u64) -> Option<u64> {
        let entry = self.leaf(address).ok()?.load(Ordering::Acquire);
        (entry & PRESENT != 0).then_some((entry & ADDRESS) + address % PAGE_SIZE)
    }

    /// Unmaps all pages of a range and hands each frame to `take`.
    pub fn unmap(&mut self, range: UserRange, take: impl FnMut(F)) {
        self.unmap_some(range, usize::MAX, take);
    }

    /// As [`unmap`](Self::unmap), at most `most` of them; returns what of the range is left, empty if
    /// all of it was looked at.
    pub fn unmap_some(
        &mut self,
        range: UserRange,
        most: usize,
        mut take: impl FnMut(F),
    ) -> UserRange {
        let mut left = most;
        let end = self.for_each_leaf(range, |_, entry| {
            // ORDERING: AcqRel: before the shoot-down, which has its own fence.
            let old = entry.swap(0, Ordering::AcqRel);
            take(F::from_address(old & ADDRESS));
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        range.from(end)
    }

    /// Maps in `child` what is mapped here in a range, to the same frames. With `protect`, neither of
    /// the two may write there any more.
    ///
    /// # Errors
    /// [`OutOfFrames`]; what has been mapped in the child stays.
    pub fn share_with(
        &mut self,
        child: &mut Self,
        range: UserRange,
        protect: bool,
    ) -> Result<(), OutOfFrames> {
        let mut result = Ok(());
        self.for_each_leaf(range, |page, entry| {
            match child.entry_for(page, 0, USER) {
                Ok(copy) => {
                    if protect {
                        // ORDERING: AcqRel: before the shoot-down, which has its own fence.
                        entry.fetch_and(!WRITABLE, Ordering::AcqRel);
                    }
                    let value = entry.load(Ordering::Acquire);
                    // The child's table owns this share from here on.
                    let share = F::from_address(value & ADDRESS).share();
                    let flags = value & !ADDRESS;
                    copy.store(share.into_address() | flags, Ordering::Release);
                    ControlFlow::Continue(())
                }
                Err(OutOfFrames) => {
                    result = Err(OutOfFrames);
                    ControlFlow::Break(())
                }
            }
        });
        result
    }

    /// Makes a page writable whose frame may not be written because it was shared, if it no longer is:
    /// then true.
    pub fn make_writable_if_sole(&mut self, page: u64) -> bool {
        let Ok(entry) = self.leaf(page) else {
            return false;
        };
        let frame = F::from_address(entry.load(Ordering::Acquire) & ADDRESS);
        let sole = frame.is_sole();
        if sole {
            // ORDERING: Release: nothing has to be seen with it.
            entry.fetch_or(WRITABLE, Ordering::Release);
        }
        sole
    }

    /// Puts a writable copy, `frame`, in the place of the page's frame, which is handed back.
    ///
    /// # Panics
    /// If the page is not mapped.
    pub fn replace_by_copy(&mut self, page: u64, mut frame: F) -> F {
        let entry = self.leaf(page).expect("invariant: the page is mapped");
        let value = entry.load(Ordering::Acquire);
        assert!(value & PRESENT != 0, "invariant: the page is mapped");
        let old = F::from_address(value & ADDRESS);
        frame.copy_from(&old);
        let flags = value & !ADDRESS | WRITABLE;
        // ORDERING: Release: the processor sees the copied bytes before the entry.
        entry.store(frame.into_address() | flags, Ordering::Release);
        old
    }

    /// Calls `each` for every page of a range that is mapped, until it breaks; returns the address of the
    /// page that comes next.
    fn for_each_leaf(
        &self,
        range: UserRange,
        mut each: impl FnMut(u64, &AtomicU64) -> ControlFlow<()>,
    ) -> u64 {
        let mut page = range.start();
        while page < range.end() {
            match self.leaf_table(page) {
                Ok(leaves) => {
                    let first = index(page, 0);
                    let pages = ((range.end() - page) / PAGE_SIZE) as usize;
                    let last = TABLE_LEN.min(first + pages);
                    for entry in &leaves[first..last] {
                        let is_mapped = entry.load(Ordering::Acquire) & PRESENT != 0;
                        let next = page + PAGE_SIZE;
                        if is_mapped && each(page, entry).is_break() {
                            return next;
                        }
                        page = next;
                    }
                }
                // No table: nothing is mapped up to the end of what it would cover.
                Err(covered) => page = (page | (covered - 1)) + 1,
            }
        }
        page
    }

    /// The leaf entry of a page; if there is no table for it, how many bytes the missing one covers.
    fn leaf(&self, page: u64) -> Result<&'static AtomicU64, u64> {
        Ok(&self.leaf_table(page)?[index(page, 0)])
    }

    /// The table with the leaf of a page; if there is none, how many bytes the missing one covers.
    fn leaf_table(&self, page: u64) -> Result<&'static Table, u64> {
        let mut at = F::table(self.root());
        for level in [3, 2, 1] {
            let entry = at[index(page, level)].load(Ordering::Acquire);
            if entry & PRESENT == 0 {
                return Err(1 << (12 + 9 * level));
            }
            at = F::table(entry & ADDRESS);
        }
        Ok(at)
    }

    /// The entry at `level` for a page; makes the tables above it.
    fn entry_for(
        &mut self,
        page: u64,
        level: u32,
        flags: u64,
    ) -> Result<&'static AtomicU64, OutOfFrames> {
        let mut at = F::table(self.root());
        for level in (level + 1..4).rev() {
            let entry = &at[index(page, level)];
            let mut value = entry.load(Ordering::Acquire);
            if value & PRESENT == 0 {
                self.tables.try_reserve(1).map_err(|_| OutOfFrames)?;
                let frame = F::zeroed()?;
                value = frame.address() | PRESENT | WRITABLE | flags;
                self.tables.push(frame);
                // ORDERING: Release: the processor sees the zeros before the table.
                entry.store(value, Ordering::Release);
            }
            at = F::table(value & ADDRESS);
        }
        Ok(&at[index(page, level)])
    }
}

impl<F: PageFrame> Drop for PageTable<F> {
    /// Gives back the tables below the root, and the root. Frames that leaves name must be gone.
    fn drop(&mut self) {
        self.tables.drain(..).for_each(F::release);
        F::from_address(self.root()).release();
    }
}

#[cfg(all(test, not(loom)))]
pub(crate) mod host;
#[cfg(all(test, not(loom)))]
mod tests;
