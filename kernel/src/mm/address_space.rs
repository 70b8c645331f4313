//! The memory of one process: its mappings, its page tables, and which CPUs have them loaded.
//!
//! # Who owns what
//! `memory` (the mappings and the tables) changes under its lock. `loaded` has a bit for each CPU
//! that may have translations cached: set before the tables are loaded, cleared after others are.
//! Whoever takes pages away changes the tables first, then reads `loaded`; a CPU that is not in it
//! will see the changed tables when it loads them.
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

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

use kcore::{PAGE_SIZE, Region, RegionError, RegionMap, SpinLock, UserRange};

use crate::{
    arch::cpu,
    mm::{
        frames::{Frame, OutOfFrames},
        kernel_space,
        page_table::PageTable,
        shootdown,
    },
    proc::thread::Thread,
};

/// The number of the next address space.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Whether any address space ever had a shared mapping: the quickest look for futexes.
static ANY_SHARES: AtomicBool = AtomicBool::new(false);

/// What an instruction wanted to do with a page, besides reading it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) write: bool,
    pub(crate) execute: bool,
}

/// Why a page was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultError {
    /// Nothing is mapped there, or not for this use.
    NotAllowed,
    /// There is no memory.
    OutOfMemory,
}

/// One address space.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    number: u32,
    memory: SpinLock<Memory>,
    loaded: AtomicU64,
    /// Whether there ever was a shared mapping: a quick look for futexes.
    shares: AtomicBool,
}

#[derive(Debug)]
struct Memory {
    regions: RegionMap,
    table: PageTable,
}

impl AddressSpace {
    /// An empty address space.
    pub(crate) fn new() -> Result<Self, OutOfFrames> {
        let kernel = crate::mm::phys::PhysAddr(kernel_space::root());
        let table = PageTable::with_kernel_half(kernel)?;
        Ok(Self {
            // ORDERING: Relaxed: only tells address spaces apart.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            memory: SpinLock::new(Memory {
                regions: RegionMap::new(),
                table,
            }),
            loaded: AtomicU64::new(0),
            shares: AtomicBool::new(false),
        })
    }

    /// Tells it apart from all others.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Bytes of all mappings.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        self.memory.lock().regions.bytes()
    }

    /// Adds a mapping; its pages are made on first touch.
    pub(crate) fn map(&self, region: Region) -> Result<(), RegionError> {
        self.memory.lock().regions.insert(region)
    }

    /// Adds a mapping of these frames, as many as it has pages; if it is a shared one, others may have
    /// them mapped too.
    ///
    /// # Errors
    /// [`RegionError::Overlap`], [`RegionError::TooMany`]: also if there is no memory for the tables.
    pub(crate) fn map_frames(&self, region: Region, frames: Vec<Frame>) -> Result<(), RegionError> {
        let pages = (region.range.start()..).step_by(PAGE_SIZE as usize);
        let mut pages = pages.zip(frames);
        let mut memory = self.memory.lock();
        let mut result = memory.regions.insert(region);
        let inserted = result.is_ok();
        if inserted {
            // ORDERING: Relaxed: a futex call on the mapping comes after it was made, in one thread or
            // by a chain of reads and writes.
            self.shares.fetch_or(region.shared, Ordering::Relaxed);
            ANY_SHARES.fetch_or(region.shared, Ordering::Relaxed);
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
    pub(crate) fn shared_place(&self, address: u64) -> Option<u64> {
        let memory = self.memory.lock();
        memory
            .regions
            .find(address)
            .filter(|region| region.shared)?;
        memory.table.physical(address)
    }

    /// Puts a page with these contents into a mapping that is there.
    pub(crate) fn preset(&self, page: u64, contents: &[u8]) -> Result<(), FaultError> {
        let mut frame = Frame::zeroed().map_err(|OutOfFrames| FaultError::OutOfMemory)?;
        frame.bytes_mut()[..contents.len()].copy_from_slice(contents);
        self.put(page, frame)
    }

    /// Removes the mapping that starts at `start`; no CPU can see its pages afterwards.
    ///
    /// # Blocking
    /// Waits until every CPU that has the address space loaded has forgotten the pages; no lock is
    /// held meanwhile, and the range stays taken.
    pub(crate) fn unmap(&self, start: u64) -> Result<(), RegionError> {
        let mut frames = Vec::new();
        let range = {
            let mut memory = self.memory.lock();
            let range = memory.regions.begin_unmap(start)?;
            memory.table.unmap(range, |frame| frames.push(frame));
            range
        };
        if !frames.is_empty() {
            self.flush();
        }
        self.memory.lock().regions.finish_unmap(range.start());
        frames.into_iter().for_each(Frame::release);
        Ok(())
    }

    /// A copy for a forked process: the same mappings, memory shared until one of the two writes.
    ///
    /// # Errors
    /// [`OutOfFrames`]; nothing has changed then that a program could see.
    ///
    /// # Blocking
    /// As for [`unmap`](Self::unmap).
    pub(crate) fn fork(&self) -> Result<Self, OutOfFrames> {
        let new = Self::new()?;
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
        // Pairs with the fence in `load`.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: after the fence.
        shootdown::flush(self.loaded.load(Ordering::Relaxed));
    }

    /// Whether a thread may start at `entry`.
    pub(crate) fn is_executable(&self, entry: u64) -> bool {
        self.memory
            .lock()
            .regions
            .find(entry)
            .is_some_and(|region| region.protection.execute)
    }

    /// Whether all of a range is mapped for writing (its pages may still have to be made).
    pub(crate) fn is_writable(&self, address: u64, len: u64) -> bool {
        UserRange::new(address, len)
            .is_some_and(|range| self.memory.lock().regions.allows(range, true))
    }

    /// Makes the page at `address` if the mapping allows the access.
    pub(crate) fn handle_fault(&self, address: u64, access: Access) -> Result<(), FaultError> {
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
        let mut frame = Frame::zeroed().map_err(|OutOfFrames| FaultError::OutOfMemory)?;
        backing.fill(page, frame.bytes_mut());
        self.put(page, frame)
    }

    /// Gives a page that several processes share a frame of its own, to write to.
    ///
    /// # Blocking
    /// As for [`unmap`](Self::unmap).
    #[cold]
    fn copy_page(&self, page: u64) -> Result<(), FaultError> {
        let copy = Frame::stale().map_err(|OutOfFrames| FaultError::OutOfMemory)?;
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
    fn put(&self, page: u64, frame: Frame) -> Result<(), FaultError> {
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

impl Drop for AddressSpace {
    /// Gives back all frames. No CPU has the tables loaded: a CPU owns what it has loaded.
    fn drop(&mut self) {
        // Nobody else can hold the lock: this is the last owner.
        let mut memory = self.memory.lock();
        let Memory { regions, table } = &mut *memory;
        for region in regions.iter() {
            table.unmap(region.range, Frame::release);
        }
    }
}

/// Whether the thread's memory may have a shared mapping.
#[inline(always)]
pub(crate) fn may_share(thread: &Thread) -> bool {
    // ORDERING: Relaxed: see `map_frames`; for both.
    ANY_SHARES.load(Ordering::Relaxed) && thread.space().shares.load(Ordering::Relaxed)
}

/// Loads an address space on the calling CPU, on which another is loaded.
#[cold]
pub(crate) fn load(space: &Arc<AddressSpace>) {
    let cpu = cpu::this();
    let bit = 1 << cpu.number();
    // ORDERING: Relaxed: the fence orders it before the processor reads the tables; pairs with `unmap`.
    space.loaded.fetch_or(bit, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    let root = space.memory.lock().table.root();
    // SAFETY: the tables have the kernel's half, and the CPU owns a share of them while they are loaded:
    // the old share is given up only after this.
    unsafe { kernel_space::load_root(root) };
    cpu.space_at.set(Arc::as_ptr(space));
    forget(cpu.space.replace(Some(Arc::clone(space))), bit);
}

/// Leaves the calling CPU with the kernel's own tables, so that it keeps no program's memory alive.
pub(crate) fn unload() {
    let cpu = cpu::this();
    if let old @ Some(_) = cpu.space.take() {
        kernel_space::load();
        cpu.space_at.set(core::ptr::null());
        forget(old, 1 << cpu.number());
    }
}

/// The CPU has other tables loaded now.
fn forget(old: Option<Arc<AddressSpace>>, bit: u64) {
    if let Some(old) = old {
        // ORDERING: Release: after the other tables were loaded.
        old.loaded.fetch_and(!bit, Ordering::Release);
    }
}
