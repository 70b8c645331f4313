//! A worker's own queue: a bounded ring that thieves take half of.
//!
//! Beside the ring is a [`Slot`] for the one job that runs next. The owner pushes at the tail and pops at the head; a thief takes the older half from the head
//! into a ring of its own. First in, first out.
//!
//! # States
//! `head` packs two indices: `steal`, the first slot that a thief may still be reading, and
//! `real`, the next slot to pop. They are equal unless a thief is at work. `tail` is the next
//! slot to fill. Indices count on for ever and wrap at 2³²; a slot is the index modulo the
//! capacity. Slots `steal..tail` are in use, `real..tail` hold jobs to pop.
//!
//! # Protocol
//! * push (owner): if `tail - steal` is below the capacity, fill the slot, then move `tail`.
//! * pop (owner): exchange `head` for one with `real + 1` (and `steal + 1` when no thief works).
//! * steal (thief): exchange `head` for one with `real + n`, leaving `steal`: that both claims
//!   the jobs and keeps the owner from filling their slots. Copy, then set `steal` to `real`.
//!
//! # Why nothing is lost
//! Every claim is one exchange of the word that holds both indices, so each job has one taker.
//! The slots of a claim stay in use until the thief has set `steal`, and the owner never fills
//! slots in use, so nothing is overwritten while it is read. One thief works at a time: another
//! one sees `steal != real` and goes elsewhere. A head that a thief read before it was
//! descheduled can only come back as the same number after 2³² pops during that pause.

use alloc::boxed::Box;
use core::{cell::Cell, mem::MaybeUninit};

use exec_core::{
    Job,
    sync::{
        Arc, UnsafeCell,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
        seeded,
    },
};

use super::slot::Slot;
use crate::padded::Padded;

/// Jobs that a ring holds.
pub const CAPACITY: u32 = if cfg!(loom) { 4 } else { 1024 };

fn pack(steal: u32, real: u32) -> u64 {
    u64::from(steal) << 32 | u64::from(real)
}

fn unpack(head: u64) -> (u32, u32) {
    ((head >> 32) as u32, head as u32)
}

struct Ring {
    head: Padded<AtomicU64>,
    /// Written by the owner alone.
    tail: Padded<AtomicU32>,
    /// Initialised from `steal` (a thief may have read the ones before `real`) to `tail`.
    slots: Box<[UnsafeCell<MaybeUninit<Job>>]>,
    /// The job to run before those of the ring.
    next: Padded<Slot>,
}

// SAFETY: a slot is written by the owner while it is not in use and read by the one whose
// exchange of `head` claimed it; jobs may move between threads.
unsafe impl Sync for Ring {}
// SAFETY: as for `Sync`.
unsafe impl Send for Ring {}

impl Ring {
    fn slot(&self, index: u32) -> &UnsafeCell<MaybeUninit<Job>> {
        &self.slots[(index % CAPACITY) as usize]
    }

    /// Reads a job out of its slot.
    ///
    /// # Safety
    /// The caller has claimed the slot and reads it once.
    unsafe fn read(&self, index: u32) -> Job {
        let job = self.slot(index).with(|slot| {
            // SAFETY: claimed, by the caller.
            unsafe { slot.read() }
        });
        // SAFETY: slots between `steal` and `tail` are initialised.
        unsafe { job.assume_init() }
    }

    /// Fills a slot.
    ///
    /// # Safety
    /// The caller is the owner and the slot is not in use.
    unsafe fn write(&self, index: u32, job: Job) {
        self.slot(index).with_mut(|slot| {
            // SAFETY: not in use, by the caller.
            unsafe { slot.write(MaybeUninit::new(job)) };
        });
    }

    /// Thief: claims `n(available)` jobs, if there are `least`. `Err(true)`: another claim was
    /// faster.
    fn claim(&self, least: u32, n: impl Fn(u32) -> u32) -> Result<(u32, u32), bool> {
        // ORDERING: Acquire pairs with the AcqRel of `pop` and `release`, so that `tail` below is
        // not older than this head.
        let head = self.head.load(Acquire);
        let (steal, real) = unpack(head);
        if steal != real {
            return Err(true);
        }
        // ORDERING: Acquire pairs with the Release of `push`: the jobs are there.
        let tail = self.tail.load(Acquire);
        let available = tail.wrapping_sub(real);
        if available < least.max(1) {
            return Err(false);
        }
        if available > CAPACITY {
            // The head was old already: the exchange would fail.
            return Err(true);
        }
        let n = n(available);
        if seeded("ring: a claim looks, then writes") {
            self.head.store(pack(steal, real.wrapping_add(n)), Release);
            return Ok((real, n));
        }
        // ORDERING: AcqRel: the claim comes before the reads of the slots.
        self.head
            .compare_exchange(head, pack(steal, real.wrapping_add(n)), AcqRel, Relaxed)
            .map(|_| (real, n))
            .map_err(|_| true)
    }

    /// Thief: lets go of the slots it claimed.
    fn release(&self) {
        // ORDERING: Acquire/Release: the reads of the slots come before the owner's writes, by
        // its Acquire of `head` in `push`.
        let _ = self.head.fetch_update(AcqRel, Acquire, |head| {
            let (_, real) = unpack(head);
            Some(pack(real, real))
        });
    }

    fn len(&self) -> u32 {
        // ORDERING: a hint; callers that must not miss a job fence before.
        let (_, real) = unpack(self.head.load(Relaxed));
        self.tail.load(Relaxed).wrapping_sub(real).min(CAPACITY)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        while let Ok((at, _)) = self.claim(1, |_| 1) {
            // SAFETY: claimed, one slot.
            drop(unsafe { self.read(at) });
            self.release();
        }
    }
}

/// What a thief got.
#[derive(Debug)]
#[must_use]
pub enum Steal {
    /// Nothing was there.
    Empty,
    /// Somebody else was at it: look again, or elsewhere.
    Retry,
    /// The last of the jobs; the others are in the thief's ring. The number counts them all.
    Success(Job, u32),
}

impl Steal {
    /// The job, where there is one.
    pub fn job(self) -> Option<Job> {
        match self {
            Self::Success(job, _) => Some(job),
            Self::Empty | Self::Retry => None,
        }
    }
}

/// The owner's end. There is one, and it stays on one thread at a time.
pub struct Local {
    ring: Arc<Ring>,
    /// `tail`, without an atomic.
    tail: Cell<u32>,
}

/// The thieves' end.
#[derive(Clone)]
pub struct Stealer {
    ring: Arc<Ring>,
}

/// Makes an empty ring.
pub fn ring() -> (Local, Stealer) {
    let ring = Arc::new(Ring {
        head: Padded(AtomicU64::new(0)),
        tail: Padded(AtomicU32::new(0)),
        slots: (0..CAPACITY)
            .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
            .collect(),
        next: Padded(Slot::new()),
    });
    let stealer = Stealer { ring: ring.clone() };
    (
        Local {
            ring,
            tail: Cell::new(0),
        },
        stealer,
    )
}

impl Local {
    /// Adds a job.
    ///
    /// # Errors
    /// The job, when the ring is full; [`spill`](Self::spill) makes room.
    #[inline]
    pub fn push(&self, job: Job) -> Result<(), Job> {
        // ORDERING: Acquire pairs with `release`: a thief has read the slots it lets go of.
        let (mut steal, real) = unpack(self.ring.head.load(Acquire));
        if seeded("ring: push forgets the thief") {
            steal = real;
        }
        let tail = self.tail.get();
        if tail.wrapping_sub(steal) >= CAPACITY {
            return Err(job);
        }
        // SAFETY: this is the owner, and the slot is outside of `steal..tail`.
        unsafe { self.ring.write(tail, job) };
        self.set_tail(tail.wrapping_add(1));
        Ok(())
    }

    /// Makes `job` the next one, and returns the one that was.
    ///
    /// # Errors
    /// The job, when a thief is just reading the former one.
    #[inline]
    pub fn put_next(&self, job: Job) -> Result<Option<Job>, Job> {
        let former = self.ring.next.take();
        // SAFETY: this is the one owner's end, and it is not `Sync`.
        match unsafe { self.ring.next.put(job) } {
            Ok(()) => Ok(former),
            // A former job that was taken above has left the slot empty, so none is lost here.
            Err(job) => Err(job),
        }
    }

    /// Takes the job that is to run next.
    #[inline]
    pub fn take_next(&self) -> Option<Job> {
        self.ring.next.take()
    }

    fn set_tail(&self, tail: u32) {
        self.tail.set(tail);
        // ORDERING: Release publishes the slot to `claim`.
        self.ring.tail.store(tail, Release);
    }

    /// Takes the oldest job.
    #[inline]
    pub fn pop(&self) -> Option<Job> {
        let tail = self.tail.get();
        // ORDERING: a guess, checked by the exchange.
        let mut head = self.ring.head.load(Relaxed);
        loop {
            let (steal, real) = unpack(head);
            if real == tail {
                return None;
            }
            let next = real.wrapping_add(1);
            let steal = if steal == real { next } else { steal };
            // ORDERING: Release: `claim` that sees this head sees a tail that is not older.
            match self
                .ring
                .head
                .compare_exchange_weak(head, pack(steal, next), AcqRel, Relaxed)
            {
                // SAFETY: the exchange claimed the slot.
                Ok(_) => return Some(unsafe { self.ring.read(real) }),
                Err(seen) => head = seen,
            }
        }
    }

    /// Moves the older half out, oldest first, to make room. Moves nothing while a thief works.
    pub fn spill(&self, mut into: impl FnMut(Job)) {
        let half = CAPACITY / 2;
        // ORDERING: a guess, checked by the exchange.
        let head = self.ring.head.load(Relaxed);
        let (steal, real) = unpack(head);
        if steal != real || self.tail.get().wrapping_sub(real) < half {
            return;
        }
        let next = real.wrapping_add(half);
        // ORDERING: as in `pop`.
        if self
            .ring
            .head
            .compare_exchange(head, pack(next, next), AcqRel, Relaxed)
            .is_err()
        {
            return;
        }
        for index in 0..half {
            // SAFETY: the exchange claimed the slots; only the owner, this thread, could fill
            // them again.
            into(unsafe { self.ring.read(real.wrapping_add(index)) });
        }
    }

    /// Jobs that fit in.
    pub fn room(&self) -> u32 {
        // ORDERING: as in `push`.
        let (steal, _) = unpack(self.ring.head.load(Acquire));
        CAPACITY - self.tail.get().wrapping_sub(steal)
    }

    /// Whether a job is here, the next one or one in the ring.
    pub fn has_any(&self) -> bool {
        self.ring.next.is_full() || self.len() > 0
    }

    /// How many jobs are left to pop.
    #[inline]
    pub fn len(&self) -> u32 {
        let (_, real) = unpack(self.ring.head.load(Relaxed));
        self.tail.get().wrapping_sub(real)
    }
}

impl Stealer {
    /// Takes half of the jobs of this ring into `to`, a ring of the calling thread; nothing when
    /// there are fewer than `least`.
    pub fn steal_into(&self, to: &Local, least: u32) -> Steal {
        let room = to.room();
        // The last job is returned, so `room + 1` fit.
        let (from, n) = match self
            .ring
            .claim(least, |available| (available - available / 2).min(room + 1))
        {
            Ok(claim) => claim,
            Err(true) => return Steal::Retry,
            Err(false) => return Steal::Empty,
        };
        let tail = to.tail.get();
        for index in 0..n - 1 {
            // SAFETY: claimed, each read once.
            let job = unsafe { self.ring.read(from.wrapping_add(index)) };
            // SAFETY: `to` is this thread's, and has the room.
            unsafe { to.ring.write(tail.wrapping_add(index), job) };
        }
        // SAFETY: claimed, read once.
        let last = unsafe { self.ring.read(from.wrapping_add(n - 1)) };
        self.ring.release();
        if n > 1 {
            to.set_tail(tail.wrapping_add(n - 1));
        }
        Steal::Success(last, n)
    }

    /// Takes the oldest job, from any thread.
    pub fn steal_one(&self) -> Steal {
        match self.ring.claim(1, |_| 1) {
            Ok((at, _)) => {
                // SAFETY: claimed, read once.
                let job = unsafe { self.ring.read(at) };
                self.ring.release();
                Steal::Success(job, 1)
            }
            Err(true) => Steal::Retry,
            Err(false) => Steal::Empty,
        }
    }

    /// Takes the job that the owner was to run next.
    pub fn take_next(&self) -> Option<Job> {
        self.ring.next.take()
    }

    /// How many jobs a thief would find now; a caller that must not miss a job fences before.
    pub fn stealable(&self) -> u32 {
        // ORDERING: a hint, made exact by the caller's fence.
        let (steal, real) = unpack(self.ring.head.load(Relaxed));
        if steal != real {
            return 0;
        }
        // The head may be older than the tail; then somebody is popping.
        self.ring
            .tail
            .load(Relaxed)
            .wrapping_sub(real)
            .min(CAPACITY)
    }

    /// What tells one state of the ring's head from another.
    pub fn stamp(&self) -> u64 {
        self.ring.head.load(Relaxed)
    }

    /// Whether the owner has a job to run next.
    pub fn has_next(&self) -> bool {
        self.ring.next.is_full()
    }

    /// Whether no job is in the ring.
    pub fn is_empty(&self) -> bool {
        self.ring.len() == 0
    }

    /// How many jobs are there, roughly.
    pub fn len(&self) -> u32 {
        self.ring.len()
    }
}
