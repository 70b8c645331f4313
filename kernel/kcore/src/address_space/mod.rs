//! The memory of one process: its mappings, its page tables, and which CPUs have them loaded.
//!
//! # Who owns what
//! `memory` (the mappings and the tables) changes under its lock. Whoever takes pages away changes the
//! tables first, and then makes the CPUs of `loaded` forget; see [`LoadedOn`].
//!
//! Pages are made on first touch. A page is filled before the lock is taken, and dropped if another
//! thread was faster or the mapping has gone.
//!
//! # Copy on write
//! [`fork`](AddressSpace::fork) lets both processes name the same frames and takes from both the right
//! to write, then makes all CPUs of the parent forget that they had it. The first write of either one
//! faults: if the frame has other owners, the page gets a copy of its own, and the old frame is given
//! up only after every CPU that has the address space loaded has forgotten it; if there are none left,
//! the page just becomes writable again. A CPU that still knows a page as read only faults once more
//! and finds that there is nothing to do.

use alloc::vec::Vec;

use crate::{
    loaded::LoadedOn,
    page_frame::{OutOfFrames, PageFrame},
    page_table::PageTable,
    region_map::{RegionError, RegionMap},
    regions::Region,
    sync::{AtomicU32, Ordering, SpinLock},
    user_range::{PAGE_SIZE, UserRange},
};

/// What an instruction wanted to do with a page, besides reading it.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// To write.
    pub write: bool,
    /// To execute.
    pub execute: bool,
}

/// Why a page was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is mapped there, or not for this use.
    NotAllowed,
    /// There is no memory.
    OutOfMemory,
}

/// The most pages that are unmapped under one lock, and remembered until all CPUs have forgotten them.
const UNMAPPED_AT_ONCE: usize = 512;

/// One address space.
#[derive(Debug)]
pub struct AddressSpace<F: PageFrame> {
    number: u32,
    memory: SpinLock<Memory<F>>,
    loaded: LoadedOn,
    /// Not 0 if there ever was a shared mapping: a quick look for futexes.
    shares: AtomicU32,
}

#[derive(Debug)]
struct Memory<F: PageFrame> {
    regions: RegionMap,
    table: PageTable<F>,
}

impl<F: PageFrame> AddressSpace<F> {
    /// An empty address space, with the upper half of the page tables whose root is at `kernel`.
    /// `number` tells it apart from all others.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    pub fn new(number: u32, kernel: u64) -> Result<Self, OutOfFrames> {
        let table = PageTable::with_kernel_half(kernel)?;
        Ok(Self {
            number,
            memory: SpinLock::new(Memory {
                regions: RegionMap::new(),
                table,
            }),
            loaded: LoadedOn::new(),
            shares: AtomicU32::new(0),
        })
    }

    /// Tells it apart from all others.
    #[inline]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The root of its page tables, for a CPU that has entered itself into [`loaded`](Self::loaded).
    pub fn root(&self) -> u64 {
        self.memory.lock().table.root()
    }

    /// The CPUs that may have it loaded.
    pub const fn loaded(&self) -> &LoadedOn {
        &self.loaded
    }

    /// Whether it may have a shared mapping.
    #[inline(always)]
    pub fn has_shares(&self) -> bool {
        // ORDERING: Relaxed: see `map_frames`.
        self.shares.load(Ordering::Relaxed) != 0
    }

    /// Bytes of all mappings.
    pub fn mapped_bytes(&self) -> u64 {
        self.memory.lock().regions.bytes()
    }

    /// Adds a mapping; its pages are made on first touch.
    ///
    /// # Errors
    /// [`RegionError::Overlap`], [`RegionError::TooMany`].
    pub fn map(&self, region: Region) -> Result<(), RegionError> {
        self.memory.lock().regions.insert(region)
    }

    /// Adds a mapping of these frames, as many as it has pages; if it is a shared one, others may have
    /// them mapped too.
    ///
    /// # Errors
    /// [`RegionError::Overlap`], [`RegionError::TooMany`]: also if there is no memory for the tables.
    pub fn map_frames(&self, region: Region, frames: Vec<F>) -> Result<(), RegionError> {
        let pages = (region.range.start()..).step_by(PAGE_SIZE as usize);
        let mut pages = pages.zip(frames);
        let mut memory = self.memory.lock();
        let mut result = memory.regions.insert(region);
        let inserted = result.is_ok();
        if inserted {
            // ORDERING: Relaxed: a futex call on the mapping comes after it was made, in one thread or
            // by a chain of reads and writes.
            if region.shared {
                self.shares.store(1, Ordering::Relaxed);
            }
            for (page, frame) in pages.by_ref() {
                if let Err(frame) = memory.table.map_user(page, frame, region.protection) {
                    frame.release();
                    result = Err(RegionError::TooMany);
                    break;
                }
            }
        }
        drop(memory);
        pages.for_each(|(_, frame)| frame.release());
        if inserted && result.is_err() {
            // Another thread may have been faster.
            let _ = self.unmap(region.range.start());
        }
        result
    }

    /// Where the word at `address` lies for all who share it, if it is in a shared mapping.
    pub fn shared_place(&self, address: u64) -> Option<u64> {
        let memory = self.memory.lock();
        memory
            .regions
            .find(address)
            .filter(|region| region.shared)?;
        memory.table.physical(address)
    }

    /// Puts a page with these contents into a mapping that is there.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub fn preset(&self, page: u64, contents: &[u8]) -> Result<(), FaultError> {
        let mut frame = F::zeroed().map_err(|OutOfFrames| FaultError::OutOfMemory)?;
        frame.write(|bytes| bytes[..contents.len()].copy_from_slice(contents));
        self.put(page, frame)
    }

    /// Removes the mapping that starts at `start`; no CPU can see its pages afterwards.
    ///
    /// # Errors
    /// [`RegionError::NotMapped`].
    ///
    /// # Blocking
    /// Waits until every CPU that has the address space loaded has forgotten the pages; no lock is
    /// held meanwhile, and the range stays taken. Many pages go some at a time, because whoever gives
    /// memory back may have little of it to remember them.
    pub fn unmap(&self, start: u64) -> Result<(), RegionError> {
        let mut frames = Vec::new();
        let mut memory = self.memory.lock();
        let mut rest = memory.regions.begin_unmap(start)?;
        loop {
            let table = &mut memory.table;
            rest = table.unmap_some(rest, UNMAPPED_AT_ONCE, |frame| frames.push(frame));
            drop(memory);
            if !frames.is_empty() {
                self.flush();
            }
            if rest.is_empty() {
                self.memory.lock().regions.finish_unmap(start);
                frames.into_iter().for_each(F::release);
                return Ok(());
            }
            frames.drain(..).for_each(F::release);
            memory = self.memory.lock();
        }
    }

    /// A copy, with a number of its own, for a forked process: the same mappings, memory shared until one of the two writes.
    ///
    /// # Errors
    /// [`OutOfFrames`]; nothing has changed then that a program could see.
    ///
    /// # Blocking
    /// As for [`unmap`](Self::unmap).
    pub fn fork(&self, number: u32, kernel: u64) -> Result<Self, OutOfFrames> {
        let new = Self::new(number, kernel)?;
        let copied = {
            let mut memory = self.memory.lock();
            let mut child = new.memory.lock();
            child.regions = memory.regions.duplicate().map_err(|_| OutOfFrames)?;
            let Memory { regions, table, .. } = &mut *memory;
            regions
                .iter()
                .filter(|region| !region.dying)
                .try_for_each(|region| {
                    let protect = region.protection.write && !region.shared;
                    table.share_with(&mut child.table, region.range, protect)
                })
        };
        self.flush();
        // ORDERING: Relaxed: nobody else knows the copy yet.
        new.shares
            .store(self.shares.load(Ordering::Relaxed), Ordering::Relaxed);
        copied.map(|()| new)
    }

    /// Makes all CPUs that have the address space loaded forget its translations.
    fn flush(&self) {
        F::make_forget(self.loaded.after_change());
    }

    /// Whether a thread may start at `entry`.
    pub fn is_executable(&self, entry: u64) -> bool {
        self.memory
            .lock()
            .regions
            .find(entry)
            .is_some_and(|region| region.protection.execute)
    }

    /// Whether all of a range is mapped for writing (its pages may still have to be made).
    pub fn is_writable(&self, address: u64, len: u64) -> bool {
        UserRange::new(address, len)
            .is_some_and(|range| self.memory.lock().regions.allows(range, true))
    }

    /// Makes the page at `address` if the mapping allows the access.
    ///
    /// # Errors
    /// See [`FaultError`].
    ///
    /// # Blocking
    /// As for [`unmap`](Self::unmap), where the page is shared with another process.
    pub fn handle_fault(&self, address: u64, access: Access) -> Result<(), FaultError> {
        let page = address - address % PAGE_SIZE;
        let backing = {
            let mut memory = self.memory.lock();
            let region = memory.regions.find(address).ok_or(FaultError::NotAllowed)?;
            if access.write && !region.protection.write
                || access.execute && !region.protection.execute
            {
                return Err(FaultError::NotAllowed);
            }
            if memory.table.allows(page, access.write, access.execute) {
                // Another thread has made it.
                return Ok(());
            }
            let backing = region.backing;
            if access.write && memory.table.allows(page, false, false) {
                if memory.table.make_writable_if_sole(page) {
                    return Ok(());
                }
                drop(memory);
                return self.copy_page(page);
            }
            backing
        };
        let mut frame = F::zeroed().map_err(|OutOfFrames| FaultError::OutOfMemory)?;
        frame.write(|bytes| backing.fill(page, bytes));
        self.put(page, frame)
    }

    /// Gives a page that several processes share a frame of its own, to write to.
    ///
    /// # Blocking
    /// As for [`unmap`](Self::unmap).
    #[cold]
    fn copy_page(&self, page: u64) -> Result<(), FaultError> {
        let copy = F::stale().map_err(|OutOfFrames| FaultError::OutOfMemory)?;
        let mut memory = self.memory.lock();
        // Another thread may have unmapped it or been faster since the first look: then this access is
        // tried again, and finds out.
        let writable = |region: &Region| region.protection.write;
        let is_shared = memory.regions.find(page).is_some_and(writable)
            && memory.table.allows(page, false, false)
            && !memory.table.allows(page, true, false);
        if !is_shared {
            drop(memory);
            copy.release();
            return Ok(());
        }
        let old = memory.table.replace_by_copy(page, copy);
        drop(memory);
        self.flush();
        old.release();
        Ok(())
    }

    /// Maps a frame, unless another thread was faster.
    fn put(&self, page: u64, frame: F) -> Result<(), FaultError> {
        let mut memory = self.memory.lock();
        let Some(protection) = memory.regions.find(page).map(|region| region.protection) else {
            drop(memory);
            frame.release();
            return Err(FaultError::NotAllowed);
        };
        if memory.table.allows(page, false, false) {
            drop(memory);
            frame.release();
            return Ok(());
        }
        memory
            .table
            .map_user(page, frame, protection)
            .map_err(|frame| {
                frame.release();
                FaultError::OutOfMemory
            })
    }
}

impl<F: PageFrame> Drop for AddressSpace<F> {
    /// Gives back all frames. No CPU has the tables loaded: a CPU owns what it has loaded.
    fn drop(&mut self) {
        // Nobody else can hold the lock: this is the last owner.
        let mut memory = self.memory.lock();
        let Memory { regions, table } = &mut *memory;
        for region in regions.iter() {
            table.unmap(region.range, F::release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
