//! The list of living tasks, so that a shutdown reaches those that wait.
//!
//! A worker has a [`Shard`] for the tasks it spawns; threads from outside share one. A task is
//! entered when it is spawned and struck out when it has ended, on whichever worker.
//!
//! # States of a slot
//! A slot is one word: the pointer of a task, or the number of the next free slot, and the state
//! in the bits that a pointer leaves free.
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | free | holds the number of the next free slot | the shard's owner, who fills it |
//! | `LIVE` | holds a task | the end of the task → free; a sweep → `SWEPT` |
//! | `SWEPT` | a sweep is cancelling the task | the sweep → `LIVE`; the end of the task → `ENDED` |
//! | `ENDED` | the task ended meanwhile | the sweep → free |
//!
//! # Protocol
//! Free slots are a stack of indices that any thread pushes to. The owner of a shard takes the
//! stack as a whole and keeps what it took to itself, so entering a task costs plain stores in
//! the common case; so does striking one out on the worker that entered it.
//!
//! # Why nothing is lost
//! The task is taken out of its slot by the one who moves the state away from `LIVE` or
//! `ENDED`, by an exchange; the sweep, which only borrows it, says so in the state.

use alloc::boxed::Box;
use core::{
    cell::Cell,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};

use exec_core::{
    sync::{
        Arc,
        atomic::{
            AtomicPtr, AtomicU32, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
        seeded,
    },
    task::TaskRef,
};

use crate::padded::Padded;

/// The state is in the low bits of a slot's word; a free slot has its successor above.
const STATE: usize = 0b11;
const FREE: usize = 0;
const LIVE: usize = 1;
const SWEPT: usize = 2;
const ENDED: usize = 3;

/// "No slot" in a list of free ones.
const NONE: u32 = u32::MAX >> 2;

/// "No slot" at the top of the freed ones.
const NO_TOP: u64 = u32::MAX as u64;

/// Slots of the first chunk; each further one doubles.
const FIRST: u32 = if cfg!(loom) { 2 } else { 64 };
/// Chunks: 2³⁰ slots in all cannot be reached before memory is.
const CHUNKS: usize = if cfg!(loom) { 2 } else { 24 };

struct Slot(AtomicPtr<()>);

/// A task's word in a state.
fn word(task: NonNull<()>, state: usize) -> *mut () {
    debug_assert!(
        task.addr().get() & STATE == 0,
        "invariant: tasks are aligned to a word"
    );
    task.as_ptr().map_addr(|addr| addr | state)
}

/// The task of a word that is not free, and the state.
fn parts(word: *mut ()) -> (Option<NonNull<()>>, usize) {
    let task = word.map_addr(|addr| addr & !STATE);
    (NonNull::new(task), word.addr() & STATE)
}

/// The word of a free slot that is followed by slot `below`.
fn free(below: u32) -> *mut () {
    ptr::without_provenance_mut(FREE | (below as usize) << 2)
}

/// See the module head.
pub struct Shard {
    chunks: [AtomicPtr<Slot>; CHUNKS],
    counts: Padded<Counts>,
    /// The stack of slots that others than the owner have freed: the top one in the low half (all
    /// ones when there is none), and above it how many were ever pushed.
    freed: Padded<AtomicU64>,
}

/// What the owner alone writes, at every task: not on a line that others write at every end.
struct Counts {
    /// Slots that have ever been in use.
    fresh: AtomicU32,
    /// Tasks entered, and struck out by the owner.
    entered: AtomicUsize,
    struck: AtomicUsize,
}

/// The owner's end of a shard: it alone enters tasks.
pub struct Owner {
    shard: Arc<Shard>,
    /// The free slots that it keeps to itself.
    free: Cell<u32>,
}

impl Default for Shard {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    /// An empty shard.
    pub fn new() -> Self {
        Self {
            chunks: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            counts: Padded(Counts {
                fresh: AtomicU32::new(0),
                entered: AtomicUsize::new(0),
                struck: AtomicUsize::new(0),
            }),
            freed: Padded(AtomicU64::new(NO_TOP)),
        }
    }

    /// The chunk of a slot, the slot's place in it, and the chunk's size.
    fn place(index: u32) -> (usize, usize, usize) {
        let chunk = (index / FIRST + 1).ilog2();
        let size = FIRST << chunk;
        let before = size - FIRST;
        (chunk as usize, (index - before) as usize, size as usize)
    }

    fn slot(&self, index: u32) -> &Slot {
        let (chunk, at, _) = Self::place(index);
        // ORDERING: Acquire pairs with the Release of `Owner::grow`.
        let base = self.chunks[chunk].load(Acquire);
        assert!(!base.is_null(), "invariant: a slot's number was given out");
        // SAFETY: `at` is inside of the chunk.
        let slot = unsafe { base.add(at) };
        // SAFETY: chunks are made before their slots' numbers are given out, and live as long as
        // the shard; slots are only ever shared.
        unsafe { &*slot }
    }

    /// The task of a word.
    ///
    /// # Safety
    /// The caller's exchange took the word, which was not free, out of its slot; or forgets what
    /// comes back, and keeps the word in its slot meanwhile.
    unsafe fn take(task: Option<NonNull<()>>) -> TaskRef {
        let task = task.expect("invariant: a slot that is not free has a task");
        // SAFETY: `enter` put it there, and by the caller it is given back once.
        unsafe { TaskRef::from_bare(task) }
    }

    /// The task in slot `index` has ended; to be called once, from any thread. The list's reference
    /// comes back, unless a sweep is at it, which then gives it up.
    pub fn strike(&self, index: u32) -> Option<TaskRef> {
        let task = self.end(index)?;
        self.push_free(index);
        Some(task)
    }

    /// Ends the slot; `None` when a sweep is at it and will free it.
    fn end(&self, index: u32) -> Option<TaskRef> {
        let slot = self.slot(index);
        // ORDERING: Acquire pairs with `enter` and `sweep`.
        let mut now = slot.0.load(Acquire);
        loop {
            let (task, state) = parts(now);
            let next = match (state, task) {
                (SWEPT, Some(task)) if !seeded("owned: the end ignores the sweep") => {
                    word(task, ENDED)
                }
                (LIVE | SWEPT, _) => free(NONE),
                // Nobody lives here: a number that was given back already.
                _ => return None,
            };
            // ORDERING: as above; Release hands the slot to the sweep or to its next user.
            match slot.0.compare_exchange_weak(now, next, AcqRel, Acquire) {
                Ok(_) if next.addr() & STATE == ENDED => return None,
                // SAFETY: this exchange took the task out of the slot.
                Ok(_) => return Some(unsafe { Self::take(task) }),
                Err(seen) => now = seen,
            }
        }
    }

    fn push_free(&self, index: u32) {
        let slot = self.slot(index);
        let mut freed = self.freed.load(Relaxed);
        loop {
            let below = match freed & NO_TOP {
                NO_TOP => NONE,
                top => top as u32,
            };
            slot.0.store(free(below), Relaxed);
            // The count wraps into nothing; it is the difference to others that counts.
            let pushed = ((freed >> 32) + 1) << 32;
            // ORDERING: Release publishes the link, and that the slot is no longer read.
            match self.freed.compare_exchange_weak(
                freed,
                pushed | u64::from(index),
                Release,
                Relaxed,
            ) {
                Ok(_) => return,
                Err(seen) => freed = seen,
            }
        }
    }

    /// Cancels every task that lives; returns how many.
    pub fn sweep(&self) -> u64 {
        let mut cancelled = 0;
        // ORDERING: Acquire pairs with `enter`; later tasks are the caller's business.
        for index in 0..self.counts.fresh.load(Acquire) {
            let slot = self.slot(index);
            let now = slot.0.load(Relaxed);
            let (Some(task), LIVE) = parts(now) else {
                continue;
            };
            let swept = word(task, SWEPT);
            // ORDERING: Acquire pairs with `enter`.
            if slot
                .0
                .compare_exchange(now, swept, AcqRel, Relaxed)
                .is_err()
            {
                // It has just ended; what is entered from now on is the caller's business.
                continue;
            }
            // SAFETY: `SWEPT` keeps the task in its slot until this thread changes that, and the
            // reference is forgotten.
            let borrowed = ManuallyDrop::new(unsafe { Self::take(Some(task)) });
            cancelled += u64::from(borrowed.cancel());
            // ORDERING: Release: the use above comes before the slot's end.
            if slot
                .0
                .compare_exchange(swept, now, AcqRel, Acquire)
                .is_err()
            {
                // It has ended meanwhile.
                // SAFETY: `ENDED` leaves the task to the sweep.
                let task = unsafe { Self::take(Some(task)) };
                self.push_free(index);
                drop(task);
            }
        }
        cancelled
    }

    /// How many tasks live; exact when nothing is entered or ends meanwhile.
    pub fn live(&self) -> usize {
        // ORDERING: a drain asks when all workers sleep, which orders what they counted.
        let elsewhere = (self.freed.load(Relaxed) >> 32) as u32;
        let own = self
            .counts
            .entered
            .load(Relaxed)
            .wrapping_sub(self.counts.struck.load(Relaxed)) as u32;
        // There are never more than 2³⁰, so the lower halves tell.
        own.wrapping_sub(elsewhere) as usize
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let fresh = self.counts.fresh.load(Relaxed);
        for index in 0..fresh {
            let slot = self.slot(index);
            let (task, state) = parts(slot.0.load(Relaxed));
            if state != FREE {
                // SAFETY: nobody else has the shard, and the slot is not free.
                drop(unsafe { Self::take(task) });
            }
        }
        for (chunk, base) in self.chunks.iter().enumerate() {
            let base = base.load(Relaxed);
            if !base.is_null() {
                let size = (FIRST as usize) << chunk;
                let slots = ptr::slice_from_raw_parts_mut(base, size);
                // SAFETY: `grow` made the chunk from a box of this size.
                drop(unsafe { Box::from_raw(slots) });
            }
        }
    }
}

impl Owner {
    /// The one owner of a new shard.
    pub fn new() -> (Self, Arc<Shard>) {
        let shard = Arc::new(Shard::new());
        let owner = Self {
            shard: shard.clone(),
            free: Cell::new(NONE),
        };
        (owner, shard)
    }

    /// Enters a task and returns the number of its slot.
    pub fn enter(&self, task: TaskRef) -> u32 {
        let index = self.pop_free();
        let slot = self.shard.slot(index);
        // ORDERING: Release publishes the task. The slot is free, and free slots are the owner's.
        slot.0.store(word(task.into_raw(), LIVE), Release);
        let entered = &self.shard.counts.entered;
        // ORDERING: one writer.
        entered.store(entered.load(Relaxed).wrapping_add(1), Relaxed);
        index
    }

    /// As [`Shard::strike`], on the owner's thread.
    pub fn strike(&self, index: u32) -> Option<TaskRef> {
        let task = self.shard.end(index)?;
        self.keep_free(index);
        let struck = &self.shard.counts.struck;
        // ORDERING: one writer.
        struck.store(struck.load(Relaxed).wrapping_add(1), Relaxed);
        Some(task)
    }

    fn keep_free(&self, index: u32) {
        let word = free(self.free.get());
        self.shard.slot(index).0.store(word, Relaxed);
        self.free.set(index);
    }

    fn pop_free(&self) -> u32 {
        if self.free.get() == NONE {
            // ORDERING: Acquire pairs with `push_free`. The stack is taken whole, so an index
            // cannot leave and come back while this thread looks.
            if self.shard.freed.load(Relaxed) & NO_TOP == NO_TOP {
                return self.grow();
            }
            // The count above stays.
            let freed = self.shard.freed.fetch_or(NO_TOP, Acquire);
            self.free.set((freed & NO_TOP) as u32);
        }
        let index = self.free.get();
        let word = self.shard.slot(index).0.load(Relaxed);
        self.free.set((word.addr() >> 2) as u32);
        index
    }

    /// Takes a slot that was never used, in a new chunk if need be.
    fn grow(&self) -> u32 {
        let shard = &*self.shard;
        let index = shard.counts.fresh.load(Relaxed);
        let (chunk, at, size) = Shard::place(index);
        if at == 0 {
            let slots: Box<[Slot]> = (0..size)
                .map(|_| Slot(AtomicPtr::new(free(NONE))))
                .collect();
            // ORDERING: Release publishes the chunk to `slot`.
            shard.chunks[chunk].store(Box::into_raw(slots).cast(), Release);
        }
        // ORDERING: Release publishes the chunk to `sweep`.
        shard.counts.fresh.store(index + 1, Release);
        index
    }
}
