//! Who owns which frame of physical memory.
//!
//! A [`Frame`] is owned by whoever holds it: a page table, an address space, a kernel stack. Frames
//! in use by the kernel image, the heap, the initrd and everything below 1 MiB are never given out.

use kcore::{FrameBitmap, PAGE_SIZE, SpinLock};

use crate::{
    boot::pvh::{BootInfo, PhysRange},
    mm::{
        kernel_space,
        phys::{self, PhysAddr},
    },
};

static FRAMES: SpinLock<Option<FrameBitmap>> = SpinLock::new(None);

/// A frame of physical memory that its holder owns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame(PhysAddr);

/// There is no free frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfFrames;

/// Takes over all RAM but what is in use.
pub(super) fn init(boot: BootInfo, heap: PhysRange) {
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
        let first = range.start.div_ceil(PAGE_SIZE);
        let last = range.end.min(phys::MAPPED) / PAGE_SIZE;
        for frame in first..last {
            let (start, end) = (frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
            if used
                .iter()
                .all(|used| end <= used.start || start >= used.end)
            {
                map.release(frame as usize);
            }
        }
    }
    *FRAMES.lock() = Some(map);
}

/// How many frames are free.
pub(crate) fn free_count() -> usize {
    FRAMES.lock().as_ref().map_or(0, FrameBitmap::free)
}

impl Frame {
    /// A frame full of zeros.
    pub(crate) fn zeroed() -> Result<Self, OutOfFrames> {
        let number = FRAMES
            .lock()
            .as_mut()
            .and_then(FrameBitmap::allocate)
            .ok_or(OutOfFrames)?;
        let mut frame = Self(PhysAddr(number as u64 * PAGE_SIZE));
        frame.bytes_mut().fill(0);
        Ok(frame)
    }

    /// Where it is.
    pub(crate) fn address(&self) -> PhysAddr {
        self.0
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

    /// Gives the frame to a page table, which remembers the address.
    pub(crate) fn into_address(self) -> PhysAddr {
        self.0
    }

    /// Takes a frame back from a page table.
    ///
    /// The address must come from [`into_address`](Self::into_address), and the table must have
    /// forgotten it. (A wrong one is caught as a double free, if at all, so this is no safe trade;
    /// it is private to the memory code.)
    pub(super) fn from_address(address: PhysAddr) -> Self {
        Self(address)
    }

    /// Gives the frame back.
    pub(crate) fn release(self) {
        let number = (self.0.0 / PAGE_SIZE) as usize;
        FRAMES
            .lock()
            .as_mut()
            .expect("invariant: frames come from here")
            .release(number);
    }
}
