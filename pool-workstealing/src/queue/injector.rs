//! The injector: jobs from outside, in blocks that are used again and again.
//!
//! # States
//! A list of blocks. Pushers work on the `tail` block, takers on the `head` block. A block is
//! * spare: in the list of spare blocks, `claimed >= LEN`, so that nobody can claim a slot;
//! * open: it is the tail, and `claimed` counts the slots given to pushers;
//! * full: `claimed >= LEN`; or closed for good, with `limit` slots given out;
//! * read out: `unread` is 0; it becomes spare when `head` has left it as well. Whoever sees
//!   both under the lock hands it back, and marks it so that the other does not again.
//!
//! `taken` holds the life of the block (its number in the list) and the next slot to take.
//!
//! # Protocol
//! * Push: one add to the tail's `claimed` gives a slot; write it; set `ready`. A pusher that
//!   gets no slot takes the lock and puts the next block in place: once every [`LEN`] jobs.
//! * Take: read `taken`; the slot there must be `ready`; compare-exchange `taken`; move the job
//!   out; count it off `unread`. At the end of a block, move `head` under the lock.
//! * A taker that comes again and again counts with its own [`Reader`], and settles with `unread`
//!   when it gets to another block or finds nothing: one shared word less a job. At worst each
//!   reader keeps one block from being used again while it is busy.
//! * Close: under the lock, take the tail's remaining slots away, so that a pusher either had
//!   its slot before or goes to the lock and is refused.
//!
//! Nobody ever waits for a slot: a taker that finds the next slot claimed but not yet ready
//! treats the queue as empty, and the pusher that is about to make it ready wakes somebody.
//!
//! # Why nothing is lost
//! Blocks are not freed before the injector is, so a pusher or taker with an old pointer reads a
//! live block. An old pusher gets no slot from a block that is not the tail. An old taker's
//! compare-exchange fails, since `taken` names the life it read and lives never come back; and
//! a block is not used again before every slot of it was read out.

use std::{cell::Cell, mem::MaybeUninit, ptr};

use crossbeam_utils::CachePadded;
use exec_core::sync::{
    Mutex, UnsafeCell,
    atomic::{
        AtomicBool, AtomicPtr, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    seeded,
};

/// Slots of a block.
pub const LEN: u64 = if cfg!(loom) { 2 } else { 128 };
const LIFE_ONE: u64 = 1 << 32;
const SLOT: u64 = LIFE_ONE - 1;
/// What `unread` says of a spare block.
const HANDED_BACK: u64 = u64::MAX;

#[repr(align(64))]
struct Slot<T> {
    /// The job is in place.
    ready: AtomicBool,
    /// The pusher's from its claim to `ready`, then the taker's that moved `taken` over it.
    job: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    /// Moves the job out and gives the slot back.
    ///
    /// # Safety
    /// The caller has claimed the slot, and calls this once for that.
    #[inline]
    unsafe fn take_out(&self) -> T {
        let job = self.job.with(|place| {
            // SAFETY: `ready` was set in the life that the claim confirmed, and the claim made
            // this thread the only one to read the slot in that life.
            unsafe { place.cast::<T>().read() }
        });
        self.ready.store(false, Relaxed);
        job
    }
}

struct Block<T> {
    claimed: CachePadded<AtomicU64>,
    taken: CachePadded<AtomicU64>,
    unread: AtomicU64,
    /// Slots that were ever given out: `LEN`, or fewer in the last block of a closed injector.
    limit: AtomicU64,
    next: AtomicPtr<Block<T>>,
    slots: [Slot<T>; LEN as usize],
}

impl<T> Block<T> {
    fn new() -> Box<Self> {
        Box::new(Self {
            claimed: CachePadded::new(AtomicU64::new(LEN)),
            taken: CachePadded::new(AtomicU64::new(LEN)),
            unread: AtomicU64::new(0),
            limit: AtomicU64::new(LEN),
            next: AtomicPtr::new(ptr::null_mut()),
            slots: std::array::from_fn(|_| Slot {
                ready: AtomicBool::new(false),
                job: UnsafeCell::new(MaybeUninit::uninit()),
            }),
        })
    }

    /// Makes a spare block take slots again; under the lock, and it is the tail already.
    ///
    /// Swaps, not stores: a pusher that came by an old pointer may add to `claimed` at the same
    /// moment, and only read-modify-writes have an order that all sides agree on.
    fn open(&self, life: u64) {
        self.unread.store(LEN, Relaxed);
        self.taken.swap(life * LIFE_ONE, AcqRel);
        // ORDERING: Release publishes the reset to the pushers' Acquire add.
        self.claimed.swap(0, AcqRel);
    }
}

/// What only the holder of the lock may touch.
struct Roll<T> {
    closed: bool,
    spare: Vec<*mut Block<T>>,
    /// Every block there is, to free them at the end.
    all: Vec<*mut Block<T>>,
    /// Blocks that were ever opened.
    lives: u64,
}

/// What one taker has taken out of a block and not yet counted off. It belongs to one injector.
pub struct Reader<T> {
    block: Cell<*const Block<T>>,
    read: Cell<u64>,
}

impl<T> Reader<T> {
    /// Of a taker that has taken nothing yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            block: Cell::new(ptr::null()),
            read: Cell::new(0),
        }
    }
}

/// A queue that anybody may push to and take from.
pub struct Injector<T> {
    tail: CachePadded<AtomicPtr<Block<T>>>,
    head: CachePadded<AtomicPtr<Block<T>>>,
    closed: AtomicBool,
    roll: Mutex<Roll<T>>,
}

// SAFETY: the injector moves `T`s from thread to thread, never shares one; the raw pointers lead
// to blocks that it owns and whose fields are atomic or guarded as the module head says.
unsafe impl<T: Send> Send for Injector<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send> Sync for Injector<T> {}

impl<T> Injector<T> {
    /// An open, empty queue.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let first = Box::into_raw(Block::new());
        // SAFETY: just made from a box.
        unsafe { &*first }.open(1);
        Self {
            tail: CachePadded::new(AtomicPtr::new(first)),
            head: CachePadded::new(AtomicPtr::new(first)),
            closed: AtomicBool::new(false),
            roll: Mutex::new(Roll {
                closed: false,
                spare: Vec::new(),
                all: vec![first],
                lives: 1,
            }),
        }
    }

    fn block(&self, at: &AtomicPtr<Block<T>>) -> &Block<T> {
        // ORDERING: Acquire pairs with the Release that put the block there.
        let block = at.load(Acquire);
        // SAFETY: never null, and blocks live as long as the injector.
        unsafe { &*block }
    }

    /// Adds the job that `make` makes, which happens where it goes.
    ///
    /// # Errors
    /// `make` comes back uncalled when the injector is closed.
    #[inline(always)]
    pub fn push<M: FnOnce() -> T>(&self, make: M) -> Result<(), M> {
        loop {
            let block = self.block(&self.tail);
            // ORDERING: Acquire pairs with the Release of `open`: the slots are free again.
            let slot = block.claimed.fetch_add(1, Acquire);
            if slot < LEN {
                let slot = &block.slots[slot as usize];
                slot.job.with_mut(|place| {
                    // SAFETY: the claim makes the slot this thread's until `ready`.
                    unsafe { (*place).write(make()) };
                });
                if seeded("injector: ready without release") {
                    slot.ready.store(true, Relaxed);
                } else {
                    // ORDERING: pairs with the Acquire of `take_from`.
                    slot.ready.store(true, Release);
                }
                return Ok(());
            }
            if !self.roll_over(block) {
                return Err(make);
            }
        }
    }

    /// Puts a new block behind `full`, unless another thread has; `false` when closed.
    #[cold]
    fn roll_over(&self, full: &Block<T>) -> bool {
        let mut roll = self.roll.lock();
        if roll.closed {
            return false;
        }
        if !ptr::eq(self.tail.load(Relaxed), full) || full.claimed.load(Relaxed) < LEN {
            return true;
        }
        let next = roll.spare.pop().unwrap_or_else(|| {
            let block = Box::into_raw(Block::new());
            roll.all.push(block);
            block
        });
        roll.lives += 1;
        // SAFETY: blocks live as long as the injector.
        let block = unsafe { &*next };
        block.next.store(ptr::null_mut(), Relaxed);
        // The order matters: a slot may be claimed only when the block is in the list.
        block.unread.store(LEN, Relaxed);
        // ORDERING: Release: what a taker or pusher reaches by these pointers is reset.
        full.next.store(next, Release);
        self.tail.store(next, Release);
        block.open(roll.lives);
        true
    }

    /// Takes the oldest job, if it is in place.
    #[inline]
    pub fn take(&self) -> Option<T> {
        let (block, slot) = self.claim()?;
        // SAFETY: just claimed.
        let job = unsafe { slot.take_out() };
        self.count_off(block, 1);
        Some(job)
    }

    /// As [`take`](Self::take), and counts with the taker's own `reader`.
    #[inline]
    pub fn take_by(&self, reader: &Reader<T>) -> Option<T> {
        let Some((block, slot)) = self.claim() else {
            if reader.read.get() != 0 {
                self.settle(reader);
            }
            return None;
        };
        if !ptr::eq(reader.block.get(), block) {
            self.settle(reader);
            reader.block.set(block);
        }
        reader.read.set(reader.read.get() + 1);
        if seeded("injector: a reader counts off before it has read") {
            self.settle(reader);
        }
        // SAFETY: just claimed.
        Some(unsafe { slot.take_out() })
    }

    /// Counts off what a reader has taken.
    #[cold]
    fn settle(&self, reader: &Reader<T>) {
        // SAFETY: null, or a block of this injector, and blocks live as long as it does.
        if let Some(block) = unsafe { reader.block.replace(ptr::null()).as_ref() } {
            self.count_off(block, reader.read.take());
        }
    }

    #[inline]
    fn count_off(&self, block: &Block<T>, read: u64) {
        // ORDERING: Release hands the slots back, Acquire collects all of them for reuse.
        if block.unread.fetch_sub(read, AcqRel) == read {
            self.reuse(block);
        }
    }

    /// Makes the slot of the oldest job this taker's, if the job is in place.
    #[inline]
    fn claim(&self) -> Option<(&Block<T>, &Slot<T>)> {
        loop {
            let block = self.block(&self.head);
            // ORDERING: Acquire pairs with the Release of `open` and of the exchange below.
            let taken = block.taken.load(Acquire);
            if taken & SLOT >= LEN {
                if !self.leave(block) {
                    return None;
                }
                continue;
            }
            let slot = &block.slots[(taken & SLOT) as usize];
            // ORDERING: pairs with the Release of `push`: the job is in the slot.
            if !slot.ready.load(Acquire) {
                return None;
            }
            let next = taken + 1;
            let claimed = block
                .taken
                .compare_exchange_weak(taken, next, AcqRel, Acquire);
            if claimed.is_ok() {
                return Some((block, slot));
            }
        }
    }

    /// Moves the head past a block that has been taken to its end; `false` when it is the last.
    #[cold]
    fn leave(&self, block: &Block<T>) -> bool {
        if block.next.load(Acquire).is_null() {
            return false;
        }
        let mut roll = self.roll.lock();
        if ptr::eq(self.head.load(Relaxed), block) && block.taken.load(Relaxed) & SLOT >= LEN {
            let next = block.next.load(Acquire);
            if next.is_null() {
                return false;
            }
            self.head.store(next, Release);
            hand_back(&mut roll, block);
        }
        true
    }

    /// Hands a block back that was read out, unless it is still the head.
    #[cold]
    fn reuse(&self, block: &Block<T>) {
        let mut roll = self.roll.lock();
        if !ptr::eq(self.head.load(Relaxed), block) {
            hand_back(&mut roll, block);
        }
    }

    /// Whether a job is in place to be taken.
    pub fn has_ready(&self) -> bool {
        let mut block = self.block(&self.head);
        loop {
            let taken = block.taken.load(Acquire) & SLOT;
            if taken < LEN {
                // ORDERING: Acquire as in `take`; the sleeper's fence stands before this.
                return block.slots[taken as usize].ready.load(Acquire);
            }
            let next = block.next.load(Acquire);
            if next.is_null() {
                return false;
            }
            // SAFETY: blocks live as long as the injector.
            block = unsafe { &*next };
        }
    }

    /// Refuses all further jobs.
    pub fn close(&self) {
        let mut roll = self.roll.lock();
        if std::mem::replace(&mut roll.closed, true) {
            return;
        }
        self.closed.store(true, Release);
        let tail = self.block(&self.tail);
        // ORDERING: AcqRel puts the close in one order with the pushers' claims.
        let given = if seeded("injector: close takes no slots away") {
            tail.claimed.load(Acquire).min(LEN)
        } else {
            tail.claimed.swap(LEN, AcqRel).min(LEN)
        };
        tail.limit.store(given, Release);
    }

    /// Whether it is closed.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Whether it is closed and every job that it ever accepted has been taken.
    pub fn is_drained(&self) -> bool {
        let _roll = self.roll.lock();
        let head = self.block(&self.head);
        self.is_closed()
            && head.next.load(Acquire).is_null()
            && head.taken.load(Acquire) & SLOT >= head.limit.load(Acquire)
    }

    /// How many jobs it has accepted.
    pub fn pushed(&self) -> u64 {
        let roll = self.roll.lock();
        let tail = self.block(&self.tail);
        let given = if roll.closed {
            tail.limit.load(Relaxed)
        } else {
            tail.claimed.load(Relaxed).min(LEN)
        };
        (roll.lives - 1) * LEN + given
    }
}

/// Makes a block spare that was read out and is not the head: once a life, although both the
/// last reader and the one that moves the head may come with it.
fn hand_back<T>(roll: &mut Roll<T>, block: &Block<T>) {
    // ORDERING: Acquire pairs with the AcqRel of the readers. Relaxed: the lock orders the rest.
    if block.unread.load(Acquire) == 0 {
        if !seeded("injector: a block is handed back twice") {
            block.unread.store(HANDED_BACK, Relaxed);
        }
        roll.spare.push(ptr::from_ref(block).cast_mut());
    }
}

impl<T> Drop for Injector<T> {
    fn drop(&mut self) {
        while let Some(job) = self.take() {
            drop(job);
        }
        for block in self.roll.lock().all.drain(..) {
            // SAFETY: each block came from a box and is in `all` once; nobody uses it any more.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}
