//! Who owns which frame of physical memory.
//!
//! A [`Frame`] is a share of a frame, owned by whoever holds it: a page table, an address space, a
//! kernel stack. Most frames have one owner; those of forked processes and of shared memory have more,
//! see [`kcore::FrameShares`]. Frames in use by the kernel image, the heap, the initrd and everything below 1 MiB are never given out.

use core::sync::atomic::{AtomicUsize, Ordering};

use kcore::{
    FrameBitmap, FrameShares, OutOfFrames, PAGE_SIZE, PageFrame, PhysRange, SpinLock, Table,
    boot_info::BootInfo,
};

use crate::mm::{
    kernel_space,
    phys::{self, PhysAddr},
    shootdown,
};

static FRAMES: SpinLock<Option<FrameBitmap>> = SpinLock::new(None);
/// How many there are to give out.
static TOTAL: AtomicUsize = AtomicUsize::new(0);
static SHARES: spin::Once<FrameShares> = spin::Once::new();

/// A frame of physical memory, of which the holder owns a share: as a rule the only one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame(PhysAddr);

/// Takes over all RAM but what is in use.
pub(super) fn init(boot: BootInfo<'_>, heap: PhysRange) {
    let end = boot
        .ram()
        .map(|range| range.end.min(phys::MAPPED))
        .max()
        .unwrap_or(0);
    let mut map = FrameBitmap::new((end / PAGE_SIZE) as usize);
    let low = PhysRange {
        start: 0,
        end: 1 << 20,
    };
    let kernel = PhysRange {
        start: 1 << 20,
        end: kernel_space::image_end(),
    };
    let initrd = boot.initrd_range().unwrap_or(low);
    let used = [low, kernel, heap, initrd];
    for range in boot.ram() {
        let free = range.frames(&used, phys::MAPPED);
        free.for_each(|frame| map.release(frame));
    }
    SHARES.call_once(|| FrameShares::new((end / PAGE_SIZE) as usize));
    // ORDERING: Relaxed: written before there is a second CPU.
    TOTAL.store(map.free(), Ordering::Relaxed);
    *FRAMES.lock() = Some(map);
}

#[inline]
fn shares() -> &'static FrameShares {
    SHARES
        .get()
        .expect("invariant: set up before the first frame is given out")
}

/// How many frames there are, free or not.
pub(crate) fn total_count() -> usize {
    // ORDERING: Relaxed: as in `init`.
    TOTAL.load(Ordering::Relaxed)
}

/// How many frames are free.
pub(crate) fn free_count() -> usize {
    FRAMES.lock().as_ref().map_or(0, FrameBitmap::free)
}

impl Frame {
    #[inline]
    fn number(&self) -> usize {
        (self.0.0 / PAGE_SIZE) as usize
    }

    /// Its contents, while nobody else can see them: it is not mapped yet.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the frame is RAM in the physical map, and `self` is the only one to own it.
        unsafe { core::slice::from_raw_parts_mut(self.0.pointer(), PAGE_SIZE as usize) }
    }

    /// Its contents, while nobody can change them: it is not mapped.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the frame is RAM in the physical map, owned by `self`, which is borrowed.
        unsafe { core::slice::from_raw_parts(self.0.pointer(), PAGE_SIZE as usize) }
    }
}

/// What each does is said in [`PageFrame`]. That an address comes from a page table is no safe trade: a
/// wrong one is caught as a double free, if at all. Only the page tables of [`kcore`] make it.
impl PageFrame for Frame {
    fn zeroed() -> Result<Self, OutOfFrames> {
        let mut frame = Self::stale()?;
        frame.bytes_mut().fill(0);
        Ok(frame)
    }

    fn stale() -> Result<Self, OutOfFrames> {
        let number = FRAMES
            .lock()
            .as_mut()
            .and_then(FrameBitmap::allocate)
            .ok_or(OutOfFrames)?;
        Ok(Self(PhysAddr(number as u64 * PAGE_SIZE)))
    }

    fn share(&self) -> Self {
        shares().share(self.number());
        Self(self.0)
    }

    fn is_sole(&self) -> bool {
        shares().is_sole(self.number())
    }

    fn address(&self) -> u64 {
        self.0.0
    }

    fn into_address(self) -> u64 {
        self.0.0
    }

    fn from_address(address: u64) -> Self {
        Self(PhysAddr(address))
    }

    fn write(&mut self, write: impl FnOnce(&mut [u8])) {
        write(self.bytes_mut());
    }

    fn copy_from(&mut self, other: &Self) {
        let from = other.0.pointer::<u8>();
        // SAFETY: two different frames in the physical map, the target owned alone, the source kept
        // from changing by the caller.
        unsafe { core::ptr::copy_nonoverlapping(from, self.0.pointer(), PAGE_SIZE as usize) };
    }

    fn release(self) {
        let number = self.number();
        if !shares().give_up(number) {
            return;
        }
        FRAMES
            .lock()
            .as_mut()
            .expect("invariant: frames come from here")
            .release(number);
    }

    fn table(address: u64) -> &'static Table {
        // SAFETY: only called with addresses of tables, which are full of atomics and stay tables as
        // long as their address space lives, which the callers hold.
        unsafe { phys::object(PhysAddr(address)) }
    }

    fn make_forget(cpus: u64) {
        shootdown::flush(cpus);
    }
}
