//! The kernel's heap: one piece of memory behind the kernel, taken at boot.
//!
//! # Who owns what
//! The heap carries its own lock, the innermost of all: nothing is locked under it, so it may be taken
//! under any other. The blocks in `reserve` have a lock that is taken before it and held for a few lines.
//!
//! # When it is full
//! A system call that makes something asks first whether the heap [has room](has_room), and is refused
//! with `ENOMEM` if not. What it needs then is little, and it cannot be refused any more: so an eighth
//! of the heap, at most 2 MiB, is kept in reserve as blocks, which are given up when the rest is used up.
//! From then on nobody has room, until all blocks could be taken back. They are small, because what lives
//! for ever, such as the structures of threads, cuts the free memory into pieces. What may need more than
//! a block asks with `try_reserve` and is refused where it stands.

use alloc::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, Ordering};

use kcore::{PhysRange, SpinLock, boot_info::BootInfo, heap_place};
use spin::mutex::SpinMutex;
use talc::{TalcLock, source::Manual};

use crate::mm::{kernel_space, phys::PhysAddr};

/// What the heap takes at least, and at most.
const LEAST: u64 = 4 << 20;
const GREATEST: u64 = 32 << 20;

/// A block of the reserve.
const BLOCK: Layout = match Layout::from_size_align(16 << 10, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("16 is a power of two"),
};
/// The most blocks.
const BLOCKS: usize = 128;

struct Heap {
    all: TalcLock<SpinMutex<()>, Manual>,
    reserve: SpinLock<Reserve>,
    /// Whether the reserve is whole, for a look without the lock.
    whole: AtomicBool,
}

struct Reserve {
    /// The blocks' addresses.
    blocks: heapless::Vec<usize, BLOCKS>,
    /// How many there are to be.
    most: usize,
}

#[global_allocator]
static HEAP: Heap = Heap {
    all: TalcLock::new(Manual),
    reserve: SpinLock::new(Reserve {
        blocks: heapless::Vec::new(),
        most: 0,
    }),
    whole: AtomicBool::new(false),
};

// SAFETY: all is done by the heap below, and what is handed out was not handed out before: a block of
// the reserve goes back to it first.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            // SAFETY: the caller's promise.
            let found = unsafe { self.all.alloc(layout) };
            if !found.is_null() || layout.size() > BLOCK.size() || !self.give_up_block() {
                return found;
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.all.dealloc(block, layout) };
    }
}

impl Heap {
    /// Gives a block of the reserve back to the heap; false if there is none.
    #[cold]
    fn give_up_block(&self) -> bool {
        // ORDERING: Relaxed: a hint, see `has_room`.
        self.whole.store(false, Ordering::Relaxed);
        let Some(block) = self.reserve.lock().blocks.pop() else {
            return false;
        };
        let block = core::ptr::with_exposed_provenance_mut(block);
        // SAFETY: it was allocated with this layout, and nobody else has it.
        unsafe { self.all.dealloc(block, BLOCK) };
        true
    }

    /// Makes the reserve whole again; false if there is no room for that.
    #[cold]
    fn fill_reserve(&self) -> bool {
        let mut reserve = self.reserve.lock();
        while reserve.blocks.len() < reserve.most {
            // SAFETY: the length is not 0.
            let block = unsafe { self.all.alloc(BLOCK) };
            if block.is_null() {
                return false;
            }
            let pushed = reserve.blocks.push(block.expose_provenance());
            pushed.expect("invariant: there are to be no more than fit");
        }
        // ORDERING: Relaxed: as above.
        self.whole.store(true, Ordering::Relaxed);
        true
    }
}

/// Whether there is room for what one system call makes.
#[inline]
pub(crate) fn has_room() -> bool {
    // ORDERING: Relaxed: a hint; the reserve is large enough for many that were wrong.
    HEAP.whole.load(Ordering::Relaxed) || HEAP.fill_reserve()
}

/// Claims the heap; returns where it lies.
///
/// # Panics
/// If there is no RAM for it behind the kernel.
pub(super) fn init(boot: BootInfo<'_>) -> PhysRange {
    let end = kernel_space::image_end();
    let range = heap_place(boot.ram(), end, boot.initrd_range(), LEAST, GREATEST)
        .expect("too little memory: start QEMU with -m 64 or more");
    let size = range.len();
    let base = PhysAddr(range.start).pointer();
    // SAFETY: the range is RAM behind the kernel and beside the initrd; `frames::init` keeps it out of
    // what it gives away.
    let claimed = unsafe { HEAP.all.lock().claim(base, size as usize) };
    HEAP.reserve.lock().most = (size as usize / 8 / BLOCK.size()).min(BLOCKS);
    assert!(claimed.is_some() && has_room(), "the heap is too small");
    range
}
