//! The spill of a worker: what it spawns beyond its deque, in a line that only it adds to.
//!
//! # States
//! A chain of blocks, oldest first: from `oldest`, over `head`, where jobs are taken, to `tail`,
//! where the owner adds. A block is
//! * open: it is the tail; `filled` counts the slots that hold a job, or held one;
//! * full: `filled` is [`LEN`];
//! * left: `head` has gone past it;
//! * read out: left, and `unread` is 0; the owner may open it again.
//!
//! `taken` holds the life of the block (its number in the line) and the next slot to take.
//! `oldest`, `tail` and the length of the tail are the owner's alone. They are atomics only so
//! that the compiler and loom need no promise about that; every access is relaxed.
//!
//! # Protocol
//! * Owner, push: writes the slot, moves `filled`. No read-modify-write, no fence, and nothing is
//!   read that takers write; so its stores need not wait for each other. At the end of a block it
//!   opens the oldest one again if that was read out, or else makes another: once every [`LEN`]
//!   jobs.
//! * Take, by anybody: reads `taken` and `filled`; compare-exchanges `taken`; moves the job out.
//!   At the end of a block, moves `head` under the lock.
//! * A taker counts what it has read with its own [`Reader`], and settles with `unread` when it
//!   gets to another block or finds nothing. The reader also remembers how far the block was
//!   filled when it last looked, so that it seldom takes that line away from the owner.
//!
//! # Why nothing is lost
//! `filled` only rises in a life, and the slots below it were written before. Blocks are freed
//! with the line only, so a taker with an old pointer reads a live block, and its
//! compare-exchange fails, since `taken` names the life it read and lives never come back. A
//! block is not opened again before `head` has left it and every slot of it was read out: a
//! reader that has not settled holds it back.
//!
//! # Shutdown
//! A line cannot be closed: its owner decides whether it still adds to it. The owner empties it
//! before it leaves; what a stop leaves here is dropped by whoever takes it.

use std::{cell::Cell, mem::MaybeUninit, ptr};

use crossbeam_utils::CachePadded;
use exec_core::sync::{
    Mutex, UnsafeCell,
    atomic::{
        AtomicPtr, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    seeded,
};

/// Slots of a block.
pub const LEN: u64 = if cfg!(loom) { 2 } else { 128 };
const LIFE_ONE: u64 = 1 << 32;
const SLOT: u64 = LIFE_ONE - 1;

/// The owner's from its opening to `filled`, then the taker's that moved `taken` over it.
type Slot<T> = UnsafeCell<MaybeUninit<T>>;

struct Block<T> {
    taken: CachePadded<AtomicU64>,
    filled: CachePadded<AtomicU64>,
    unread: AtomicU64,
    next: AtomicPtr<Block<T>>,
    slots: [Slot<T>; LEN as usize],
}

impl<T> Block<T> {
    /// A block that is open in this life.
    fn new(life: u64) -> *mut Self {
        Box::into_raw(Box::new(Self {
            taken: CachePadded::new(AtomicU64::new(life * LIFE_ONE)),
            filled: CachePadded::new(AtomicU64::new(0)),
            unread: AtomicU64::new(LEN),
            next: AtomicPtr::new(ptr::null_mut()),
            slots: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
        }))
    }

    /// Owner: opens a block that was read out.
    fn open(&self, life: u64) {
        self.filled.store(0, Relaxed);
        self.unread.store(LEN, Relaxed);
        self.next.store(ptr::null_mut(), Relaxed);
        // ORDERING: Release publishes the reset: who reads the new life sees `filled` reset.
        self.taken.swap(life * LIFE_ONE, AcqRel);
    }
}

/// What one taker has taken out of a block and not yet counted off. It belongs to the spills of
/// one pool.
pub struct Reader<T> {
    block: Cell<*const Block<T>>,
    read: Cell<u64>,
    /// The life in which the block was filled up to `limit` at least.
    life: Cell<u64>,
    limit: Cell<u64>,
}

impl<T> Reader<T> {
    /// Of a taker that has taken nothing yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            block: Cell::new(ptr::null()),
            read: Cell::new(0),
            life: Cell::new(0),
            limit: Cell::new(0),
        }
    }

    /// Counts off what was taken.
    ///
    /// # Safety
    /// The line that was taken from is live.
    unsafe fn settle(&self) {
        let read = self.read.take();
        // SAFETY: null, or a block of a line that is live, and blocks live as long as that.
        if let Some(block) = unsafe { self.block.replace(ptr::null()).as_ref() } {
            // ORDERING: Release hands the slots back; pairs with the Acquire of `roll_over`.
            block.unread.fetch_sub(read, Release);
        }
    }
}

/// The owner's side.
struct Own<T> {
    tail: AtomicPtr<Block<T>>,
    /// Slots of the tail that are filled.
    len: AtomicU64,
    oldest: AtomicPtr<Block<T>>,
    /// Blocks that were ever opened.
    lives: AtomicU64,
}

/// A line of jobs with one owner, who adds, and any number of takers.
pub struct Spill<T> {
    own: CachePadded<Own<T>>,
    head: CachePadded<AtomicPtr<Block<T>>>,
    /// Held by the taker that moves `head`.
    leaving: Mutex<()>,
}

// SAFETY: the line moves `T`s from thread to thread, never shares one; the raw pointers lead to
// blocks that it owns and whose fields are atomic or guarded as the module head says.
unsafe impl<T: Send> Send for Spill<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send> Sync for Spill<T> {}

impl<T> Spill<T> {
    /// An empty line.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let first = Block::new(1);
        Self {
            own: CachePadded::new(Own {
                tail: AtomicPtr::new(first),
                len: AtomicU64::new(0),
                oldest: AtomicPtr::new(first),
                lives: AtomicU64::new(1),
            }),
            head: CachePadded::new(AtomicPtr::new(first)),
            leaving: Mutex::new(()),
        }
    }

    /// Owner: adds the job that `make` makes, which happens where it goes: a value that is written
    /// word by word and then moved in larger pieces costs more than the rest of this.
    ///
    /// # Safety
    /// One thread at a time calls this, and hands the line over with a lock or the like.
    #[inline(always)]
    pub unsafe fn push(&self, make: impl FnOnce() -> T) {
        // ORDERING: relaxed where only the owner writes.
        let mut len = self.own.len.load(Relaxed);
        if len == LEN {
            self.roll_over();
            len = 0;
        }
        // SAFETY: never null, and blocks live as long as the line.
        let block = unsafe { &*self.own.tail.load(Relaxed) };
        block.slots[len as usize].with_mut(|place| {
            // SAFETY: slots from `filled` on are the owner's, and this thread is that.
            unsafe { (*place).write(make()) };
        });
        self.own.len.store(len + 1, Relaxed);
        if seeded("spill: filled without release") {
            block.filled.store(len + 1, Relaxed);
        } else {
            // ORDERING: publishes the slot; pairs with the Acquire of `take_by`.
            block.filled.store(len + 1, Release);
        }
    }

    /// Owner: puts an open block behind the full tail.
    #[cold]
    fn roll_over(&self) {
        let life = self.own.lives.load(Relaxed) + 1;
        self.own.lives.store(life, Relaxed);
        let oldest = self.own.oldest.load(Relaxed);
        // SAFETY: blocks live as long as the line.
        let old = unsafe { &*oldest };
        // ORDERING: Acquire pairs with the Release of `leave`: whoever comes by `head` now does
        // not come to this block; and with that of `settle`: the slots were read.
        let is_left = !ptr::eq(self.head.load(Acquire), oldest);
        let is_read = old.unread.load(Acquire) == 0
            || seeded("spill: a block is opened before it was read out");
        let next = if is_left && is_read {
            // It has a next one, where the head went.
            self.own.oldest.store(old.next.load(Relaxed), Relaxed);
            old.open(life);
            oldest
        } else {
            Block::new(life)
        };
        // SAFETY: as above.
        let full = unsafe { &*self.own.tail.load(Relaxed) };
        // ORDERING: Release: whoever comes by this pointer sees the block open.
        full.next.store(next, Release);
        self.own.tail.store(next, Relaxed);
    }

    /// Takes the oldest job, counting with the taker's own `reader`.
    #[inline]
    pub fn take_by(&self, reader: &Reader<T>) -> Option<T> {
        loop {
            // ORDERING: Acquire pairs with the Release that put the block there.
            let at = self.head.load(Acquire);
            // SAFETY: never null, and blocks live as long as the line.
            let block = unsafe { &*at };
            // ORDERING: Acquire pairs with the Release of `open`: `filled` was reset.
            let taken = block.taken.load(Acquire);
            let (life, slot) = (taken / LIFE_ONE, taken & SLOT);
            if slot >= LEN {
                if self.leave(block) {
                    continue;
                }
                return None;
            }
            if !(ptr::eq(reader.block.get(), at)
                && reader.life.get() == life
                && slot < reader.limit.get())
            {
                // ORDERING: pairs with the Release of `push`: the jobs are in their slots.
                let filled = block.filled.load(Acquire);
                if slot >= filled {
                    // SAFETY: the lines that a reader belongs to live as long as this one.
                    unsafe { reader.settle() };
                    return None;
                }
                if !ptr::eq(reader.block.get(), at) {
                    // SAFETY: as above.
                    unsafe { reader.settle() };
                    reader.block.set(at);
                }
                reader.life.set(life);
                reader.limit.set(filled);
            }
            // ORDERING: AcqRel keeps the life's reset in sight of the next taker.
            let claimed = block
                .taken
                .compare_exchange_weak(taken, taken + 1, AcqRel, Relaxed);
            if claimed.is_err() {
                continue;
            }
            reader.read.set(reader.read.get() + 1);
            if seeded("spill: a reader counts off before it has read") {
                // SAFETY: as above.
                unsafe { reader.settle() };
            }
            return Some(block.slots[slot as usize].with(|place| {
                // SAFETY: filled in the life that the claim confirmed, and the claim made this
                // thread the only one to read the slot in that life.
                unsafe { place.cast::<T>().read() }
            }));
        }
    }

    /// Moves the head past a block that has been taken to its end; `false` when it is the last.
    #[cold]
    fn leave(&self, block: &Block<T>) -> bool {
        let _leaving = self.leaving.lock();
        // While the lock is held the head stays, and its block is not opened again.
        if ptr::eq(self.head.load(Relaxed), block) && block.taken.load(Relaxed) & SLOT >= LEN {
            // ORDERING: pairs with the Release of `roll_over`.
            let next = block.next.load(Acquire);
            if next.is_null() {
                return false;
            }
            // ORDERING: Release passes on that the block is open, and tells the owner that this
            // taker is done with `next`.
            self.head.store(next, Release);
        }
        true
    }

    /// Counts off what `reader` has taken, so that it holds no block back.
    pub fn settle(&self, reader: &Reader<T>) {
        // SAFETY: the lines that a reader belongs to live as long as this one.
        unsafe { reader.settle() };
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        // ORDERING: as in `take_by`; a sleeper's fence stands before this.
        let mut at = self.head.load(Acquire);
        loop {
            // SAFETY: never null, and blocks live as long as the line.
            let block = unsafe { &*at };
            let taken = block.taken.load(Acquire) & SLOT;
            if taken < LEN {
                return taken >= block.filled.load(Acquire);
            }
            at = block.next.load(Acquire);
            if at.is_null() {
                return true;
            }
        }
    }
}

impl<T> Drop for Spill<T> {
    fn drop(&mut self) {
        let reader = Reader::new();
        while let Some(job) = self.take_by(&reader) {
            drop(job);
        }
        let mut at = self.own.oldest.load(Relaxed);
        while !at.is_null() {
            // SAFETY: each block came from a box and is in the chain once; nobody uses it any
            // more.
            let block = unsafe { Box::from_raw(at) };
            at = block.next.load(Relaxed);
        }
    }
}
