//! The split deque: the second halves of joins, private until somebody is hungry.
//!
//! # States
//! A ring of pointers with three indices, oldest to newest: `top..split` is exposed, thieves may
//! take from `top`; `split..bottom` is private to the owner.
//! * `word` holds `top` (48 bits) and the number exposed (16 bits). Thieves and the owner change
//!   it by read-modify-write only.
//! * `bottom` and the number of private jobs are the owner's alone. They are atomics only so
//!   that the compiler and loom need no promise about that; every access is relaxed.
//! * `sated` is all that a join looks at. The owner sets it when one job lies exposed and enough
//!   lie private, and clears it with every job that it takes out; a thief clears it when it takes
//!   the last exposed job, or finds none.
//!
//! # Protocol
//! * Owner, push: writes the slot, moves `bottom`. No fence, no read-modify-write.
//! * Owner, expose: one add to `word` makes the oldest private jobs the newest exposed ones.
//! * Thief: reads `word`, the slot at `top`, and moves `top` by compare-exchange.
//! * Owner, pop: the newest private job by moving `bottom` back. Without one, it takes the newest
//!   exposed job back by compare-exchange on `word`; when nothing is exposed, its job was stolen.
//!
//! # When a job is exposed
//! A join exposes its oldest jobs when nothing is exposed, or fewer than there are idle workers.
//! [`is_sated`](Split::is_sated) is the question each join asks first, one relaxed load: while
//! the worker is sated, a join makes no job at all and runs both halves in line. The steal that
//! empties the exposed part asks for more. Enough is about the logarithm of the number of workers
//! ([`private_for`]), and [`PRIVATE_MAX`] at most.
//!
//! A thief's clearing may be overwritten by the owner's setting, when the owner looked at `word`
//! just before the steal. It is a hint, and it is repeated: a hungry worker clears the flag of
//! each worker without exposed jobs now and then while it polls, and always before it sleeps.
//!
//! A thief that polls takes a job only when it has seen the same offer twice, about a
//! microsecond apart: what its owner takes back sooner is not worth the cache lines.
//!
//! # What can be stuck
//! At worst [`PRIVATE_MAX`] jobs of a worker, and the second halves of joins that ran in line
//! beneath them, cannot be stolen; and only from the moment that its last exposed job is taken
//! to the worker's next `join` or end of one. A worker that enters a long leaf has exposed, at its
//! last join, at least its oldest job and as many as there were idle workers to take them. A
//! `join_context` exposes more, the `least` of [`settle`](Split::settle): rayon's iterators fork a
//! few halves and then go into leaves that are long.
//!
//! # Why nothing is lost
//! A job leaves the deque by one successful change of `word` or by the owner's private pop,
//! never by both: the two ranges are disjoint and only the owner moves the border. The slot at
//! `top` is rewritten only after `top` has moved, because the owner takes the last exposed job
//! by moving `top` too; so a thief whose compare-exchange succeeds read the right pointer. `top`
//! never repeats: at one job each 10 ns, 48 bits last for a month of the same thief's stall.
//! Thieves take in order, so when a job has been stolen all older ones have been too.

use crossbeam_utils::CachePadded;
use exec_core::sync::{
    atomic::{
        AtomicBool, AtomicPtr, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
    seeded,
};

/// Private jobs a worker keeps ready at most, before its joins stop making jobs.
pub const PRIVATE_MAX: usize = if cfg!(loom) { 2 } else { 8 };
/// Exposed jobs a worker keeps at most.
pub const EXPOSED_MAX: usize = if cfg!(loom) { 1 } else { 48 };
/// Slots of the ring: a private and an exposed part always fit, so it never grows.
const RING: usize = if cfg!(loom) { 4 } else { 64 };
const _: () = assert!(PRIVATE_MAX + EXPOSED_MAX < RING && RING.is_power_of_two());

const LEN: u64 = 0xffff;
const TOP_ONE: u64 = 1 << 16;

/// Private jobs that keep this many workers supplied: each steal halves what is left, so as
/// many as there are halvings until everybody has a share, less the one that lies exposed.
pub const fn private_for(workers: usize) -> usize {
    let halvings = workers.saturating_sub(1).checked_ilog2();
    let wanted = match halvings {
        Some(log) => log as usize,
        None => 0,
    };
    if wanted < PRIVATE_MAX {
        wanted
    } else {
        PRIVATE_MAX
    }
}

const fn exposed_in(word: u64) -> usize {
    (word & LEN) as usize
}

/// What a thief saw exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer(u64);

/// One worker's deque of forked jobs.
#[derive(Debug)]
pub struct Split<T> {
    own: CachePadded<Own>,
    word: CachePadded<AtomicU64>,
    ring: [AtomicPtr<T>; RING],
}

/// The owner's side.
#[derive(Debug)]
struct Own {
    sated: AtomicBool,
    bottom: AtomicUsize,
    private: AtomicUsize,
    /// How many private jobs are enough; the only field that others may set.
    enough: AtomicUsize,
}

impl<T> Split<T> {
    /// An empty deque for one of this many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            own: CachePadded::new(Own {
                sated: AtomicBool::new(false),
                bottom: AtomicUsize::new(0),
                private: AtomicUsize::new(0),
                enough: AtomicUsize::new(private_for(workers)),
            }),
            word: CachePadded::new(AtomicU64::new(0)),
            ring: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }
    }

    /// Owner: whether a join need not make a job.
    #[inline(always)]
    pub fn is_sated(&self) -> bool {
        // ORDERING: relaxed throughout this module where only the owner writes; and this is a
        // hint, the next join asks again.
        self.own.sated.load(Relaxed)
    }

    /// Owner: joins need not make jobs, as long as this holds. `least` jobs have to be exposed
    /// for that, and enough private ones be there.
    #[inline]
    pub fn settle(&self, least: usize) {
        if self.own.private.load(Relaxed) >= self.own.enough.load(Relaxed)
            && self.exposed() >= least
        {
            self.own.sated.store(true, Relaxed);
        }
    }

    /// Thief: asks for a job to be exposed.
    #[cold]
    pub fn ask(&self) {
        if self.own.sated.load(Relaxed) && self.exposed() == 0 {
            self.own.sated.store(false, Relaxed);
        }
    }

    /// Tells how many workers there are now.
    pub fn resize(&self, workers: usize) {
        // ORDERING: a hint for the next joins.
        self.own.enough.store(private_for(workers), Relaxed);
    }

    /// How many jobs a thief could take now.
    #[inline]
    pub fn exposed(&self) -> usize {
        exposed_in(self.word.load(Relaxed))
    }

    /// Owner: adds the newest job; `false` when the private part is full.
    #[inline]
    pub fn push(&self, job: *mut T) -> bool {
        let private = self.own.private.load(Relaxed);
        if private >= PRIVATE_MAX {
            return false;
        }
        let bottom = self.own.bottom.load(Relaxed);
        self.ring[bottom % RING].store(job, Relaxed);
        self.own.bottom.store(bottom.wrapping_add(1), Relaxed);
        self.own.private.store(private + 1, Relaxed);
        true
    }

    /// Owner: exposes its oldest private jobs until `wanted` are exposed; returns how many it
    /// added.
    #[inline]
    pub fn expose(&self, wanted: usize) -> usize {
        let private = self.own.private.load(Relaxed);
        let more = wanted
            .min(EXPOSED_MAX)
            .saturating_sub(self.exposed())
            .min(private);
        if more != 0 {
            self.own.private.store(private - more, Relaxed);
            // ORDERING: Release publishes the slots and what the jobs point to; pairs with the
            // Acquire of `steal`.
            self.word.fetch_add(more as u64, Release);
        }
        more
    }

    /// Owner: takes its newest job out; `false` when that was stolen.
    #[inline]
    pub fn pop(&self) -> bool {
        self.own.sated.store(false, Relaxed);
        let private = self.own.private.load(Relaxed);
        if private == 0 {
            return self.take_back();
        }
        let bottom = self.own.bottom.load(Relaxed);
        self.own.bottom.store(bottom.wrapping_sub(1), Relaxed);
        self.own.private.store(private - 1, Relaxed);
        true
    }

    #[inline(never)]
    fn take_back(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        loop {
            let left = exposed_in(word);
            if left == 0 {
                return false;
            }
            let last = left == 1 && !seeded("split: the last job is taken without moving top");
            let next = if last { word + TOP_ONE - 1 } else { word - 1 };
            // ORDERING: relaxed: the job is the owner's own writing, and a read-modify-write
            // keeps what `expose` released.
            match self
                .word
                .compare_exchange_weak(word, next, Relaxed, Relaxed)
            {
                Ok(_) => {
                    if !last {
                        // The index is free again; with the last job it is used up by `top`.
                        let bottom = self.own.bottom.load(Relaxed);
                        self.own.bottom.store(bottom.wrapping_sub(1), Relaxed);
                    }
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Thief: what is exposed now, if anything; to be given to [`steal_if`](Self::steal_if) later.
    #[inline]
    pub fn peek(&self) -> Option<Offer> {
        // ORDERING: as `steal`, which a later `steal_if` may stand for.
        let word = self.word.load(Acquire);
        (exposed_in(word) != 0).then_some(Offer(word))
    }

    /// Thief: takes the oldest exposed job, if nothing has changed since `offer`.
    #[inline]
    pub fn steal_if(&self, offer: Offer) -> Option<*mut T> {
        let Offer(word) = offer;
        // ORDERING: as `steal`.
        if self.word.load(Acquire) != word {
            return None;
        }
        let top = (word / TOP_ONE) as usize;
        let job = self.ring[top % RING].load(Relaxed);
        // ORDERING: as `steal`.
        self.word
            .compare_exchange(word, word + TOP_ONE - 1, Acquire, Relaxed)
            .ok()?;
        if exposed_in(word) == 1 {
            self.own.sated.store(false, Relaxed);
        }
        Some(job)
    }

    /// Thief: takes the oldest exposed job.
    #[inline]
    pub fn steal(&self) -> Option<*mut T> {
        // ORDERING: Acquire pairs with the Release of `expose`: the slot and the job are seen.
        let mut word = self.word.load(Acquire);
        loop {
            if exposed_in(word) == 0 {
                return None;
            }
            let top = (word / TOP_ONE) as usize;
            let job = self.ring[top % RING].load(Relaxed);
            // ORDERING: as the load above; success publishes nothing.
            match self
                .word
                .compare_exchange(word, word + TOP_ONE - 1, Acquire, Acquire)
            {
                Ok(_) => {
                    if exposed_in(word) == 1 {
                        self.own.sated.store(false, Relaxed);
                    }
                    return Some(job);
                }
                Err(now) => word = now,
            }
        }
    }
}
