//! The heap: `talc` over memory that is mapped piece by piece, under a lock that sleeps.
//!
//! The lock is a futex: a thread that finds it taken tries no longer than a few loads and then sleeps
//! in the kernel, so a holder that was preempted is never spun upon.
//!
//! Pieces are mapped at rising addresses from [`HEAP_BASE`], each directly above the last, and are
//! never given back: a freed block is reused by the heap, and the kernel takes everything back when
//! the process ends.

use core::alloc::Layout;

use kernel_bridge::kernel::futex;
use kernel_bridge::kernel::syscall::{self, Protection};
use lock_api::GuardSend;
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

/// Where the heap starts: above the program and its first stack, below the thread stacks.
const HEAP_BASE: usize = 0x1_0000_0000;

/// Where the heap must end: the thread stacks start here.
const HEAP_END: usize = 0x10_0000_0000;

/// The least that is mapped at a time.
const PIECE: usize = 1 << 20;

/// Room that the allocator needs in a piece beside the block itself, generously.
const OVERHEAD: usize = 4096;

#[global_allocator]
static HEAP: TalcLock<HeapLock, Mapped> = TalcLock::new(Mapped {
    next: HEAP_BASE,
    end: None,
});

/// Memory from the kernel, one piece after the other.
#[derive(Debug)]
struct Mapped {
    /// Where the next piece goes.
    next: usize,
    /// The end of the heap as the allocator counts it, once there is a piece.
    end: Option<core::ptr::NonNull<u8>>,
}

// SAFETY: the pointer is only an address within the heap; whoever holds the lock owns all of it.
unsafe impl Send for Mapped {}

// SAFETY: `acquire` makes system calls only; it never allocates.
unsafe impl Source for Mapped {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = layout.size().checked_add(layout.align()).ok_or(())?;
        let wanted = wanted.checked_add(OVERHEAD).ok_or(())?;
        let len = wanted.checked_next_multiple_of(PIECE).ok_or(())?;
        let at = talc.source.next;
        if len > HEAP_END - at {
            return Err(());
        }
        // SAFETY: addresses from `next` up to HEAP_END are this heap's and not mapped yet.
        let piece = unsafe { syscall::mmap(at, len, Protection::READ_WRITE) }.map_err(|_| ())?;
        let end = match talc.source.end {
            // SAFETY: `end` is what the last claim or extend returned, and the new piece follows the
            // old one without a gap, fresh and unused.
            Some(end) => unsafe { talc.extend(end, piece.wrapping_add(len)) },
            // SAFETY: the piece is mapped, writable, and nobody else's.
            None => unsafe { talc.claim(piece, len) }.ok_or(())?,
        };
        talc.source.next = at + len;
        talc.source.end = Some(end);
        Ok(())
    }
}

/// The futex lock in the shape that `talc` asks for.
struct HeapLock(futex::RawLock);

// SAFETY: `futex::RawLock` lets one thread hold it at a time.
unsafe impl lock_api::RawMutex for HeapLock {
    const INIT: Self = Self(futex::RawLock::new());
    type GuardMarker = GuardSend;

    #[inline]
    fn lock(&self) {
        self.0.lock();
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock, as this trait asks.
        unsafe { self.0.unlock() };
    }
}
