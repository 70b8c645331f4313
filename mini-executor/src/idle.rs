//! Who sleeps, who searches, and who is woken for new work.
//!
//! # States of a worker
//! | state | its bit in `sleepers` | counted in `searching` |
//! |---|---|---|
//! | busy: runs jobs | clear | no |
//! | searching: looks for work to steal | clear | yes |
//! | sleeping: announced, parked or about to | set | no |
//! | claimed: somebody cleared its bit to wake it | clear | yes, by the claimer |
//!
//! A worker sets its own bit; whoever clears it (a poster, or the worker itself) owns the wake.
//!
//! # Protocol
//! * Poster: queue the job; **fence**; if no bit is set, that is all. Else, if nobody searches,
//!   exchange `searching` from 0 to 1, clear the bit of one sleeper and unpark it: it searches in
//!   the poster's stead. If no bit was left, take the 1 back, **fence**, and look at the bits once
//!   more.
//! * Sleeper: set the bit; leave `searching` if it was in; **fence**; look at every queue once
//!   more; park. Awake, clear the bit: if a claimer was faster, it is searching now.
//! * Searcher that found work: leave `searching`; if it was the last, **fence**, and if any queue
//!   still has work, act as a poster (and if somebody is to watch, see `watch.rs`).
//!
//! # Why nothing is lost
//! Let a job be queued, and its poster do nothing. Either it saw no bit: then its fence came
//! before the sleeper's, whose last look sees the job. Or it saw a searcher. That searcher finds
//! the job; or leaves to sleep, with a fence after the poster's, and its last look sees the job;
//! or leaves with other work and is the last, with a fence after the poster's, and acts as a
//! poster for it; or is not the last, and the same holds for the last. Or the "searcher" was a
//! poster that holds the 1 for a moment and finds no bit: it looks once more after taking the
//! 1 back, which is a fence after the poster's.
//!
//! So each job wakes at most one worker, and work that stays behind wakes the next one when the
//! first has found its own: never a herd, and never a chain without work for it.
//!
//! # When all is quiet
//! A worker that wakes counts that in `stirs`, after its bit was cleared and before it takes a job. A
//! runtime that ends asks whether every bit is set and every queue empty, and asks again if somebody
//! stirred meanwhile: a worker that was awake for a moment may have taken a job out of a queue before
//! that one was looked at, and put others into one that had been. All bits set, and nobody awake until
//! every queue was looked at, means that nobody had a job in hand.

use alloc::boxed::Box;
use core::task::Waker;

use exec_core::sync::{
    UnsafeCell,
    atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    seeded,
};

use crate::padded::Padded;

const WORD: usize = 64;

/// How a worker is woken; written once, before its bit is first set.
struct Unparker(UnsafeCell<Option<Waker>>);

// SAFETY: written by the worker before it sets its bit for the first time (Release), read by
// those who cleared that bit (Acquire), and never written again.
unsafe impl Sync for Unparker {}
// SAFETY: wakers may move between threads.
unsafe impl Send for Unparker {}

/// Both change when a worker wakes, so they share a line.
struct Searching {
    workers: AtomicUsize,
    /// How often a worker has woken.
    stirs: AtomicUsize,
}

/// See the module head.
pub struct Idle {
    searching: Padded<Searching>,
    /// One bit a worker.
    sleepers: Box<[Padded<AtomicU64>]>,
    unparkers: Box<[Unparker]>,
    /// Workers that may search at once, at the most.
    searchers: usize,
    /// The sleeper that is to be woken last; a wish.
    last: AtomicUsize,
}

/// What a worker finds when it stops sleeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Awake {
    /// It woke by itself.
    Alone,
    /// It was claimed, and counts as searching.
    Claimed,
}

impl Idle {
    /// For `workers` workers, none of which sleeps.
    pub fn new(workers: usize) -> Self {
        Self::with_spares(workers, 0)
    }

    /// For `workers` workers, and so many places for others that come later.
    pub fn with_spares(workers: usize, spares: usize) -> Self {
        let searchers = workers.div_ceil(2);
        let workers = workers + spares;
        Self {
            searchers,
            searching: Padded(Searching {
                workers: AtomicUsize::new(0),
                stirs: AtomicUsize::new(0),
            }),
            last: AtomicUsize::new(usize::MAX),
            sleepers: (0..workers.div_ceil(WORD))
                .map(|_| Padded(AtomicU64::new(0)))
                .collect(),
            unparkers: (0..workers)
                .map(|_| Unparker(UnsafeCell::new(None)))
                .collect(),
        }
    }

    /// Tells how worker `at` is woken. To be called once, by the worker, before anything else.
    ///
    /// # Safety
    /// Called once for each worker, before its first [`announce`](Self::announce).
    pub unsafe fn register(&self, at: usize, waker: Waker) {
        self.unparkers[at].0.with_mut(|slot| {
            // SAFETY: the bit has never been set, so nobody reads.
            unsafe { *slot = Some(waker) };
        });
    }

    fn bit(&self, at: usize) -> (&AtomicU64, u64) {
        (&self.sleepers[at / WORD], 1 << (at % WORD))
    }

    /// Poster: after a job was queued, wakes a sleeper unless somebody searches. Returns which one
    /// it woke.
    pub fn post(&self) -> Option<usize> {
        if !seeded("idle: the poster does not fence") {
            // ORDERING: pairs with the fence in `announce`: job before, bits after.
            fence(SeqCst);
        }
        if self.is_no_bit_set() {
            return None;
        }
        self.wake_one()
    }

    /// As [`post`](Self::post), without the fence: a sleeper that announces itself at this very
    /// moment may be missed. For a job that the caller will run itself if nobody else does.
    #[inline]
    pub fn hint(&self) -> Option<usize> {
        // ORDERING: hints; see above.
        if self.searching.workers.load(Relaxed) != 0 || self.is_no_bit_set() {
            return None;
        }
        self.wake_one()
    }

    #[inline]
    fn is_no_bit_set(&self) -> bool {
        // ORDERING: the caller has fenced, or wants a hint only.
        self.sleepers.iter().all(|word| word.load(Relaxed) == 0)
    }

    fn wake_one(&self) -> Option<usize> {
        loop {
            // ORDERING: AcqRel keeps the scan after the exchange.
            if self.searching.workers.load(Relaxed) != 0
                || self
                    .searching
                    .workers
                    .compare_exchange(0, 1, AcqRel, Relaxed)
                    .is_err()
            {
                return None;
            }
            for (index, word) in self.sleepers.iter().enumerate() {
                let mut bits = word.load(Relaxed);
                while bits != 0 {
                    let at = self.choose(index, bits);
                    let bit = 1 << at;
                    // ORDERING: Acquire pairs with `announce`: the unparker is there.
                    let before = word.fetch_and(!bit, AcqRel);
                    if before & bit != 0 {
                        let at = index * WORD + at;
                        self.unpark(at);
                        return Some(at);
                    }
                    bits = before & !bit;
                }
            }
            self.searching.workers.fetch_sub(1, AcqRel);
            if seeded("idle: the poster does not look twice") {
                return None;
            }
            // ORDERING: a poster that saw our 1 relies on this second look (module head).
            fence(SeqCst);
            if self.is_no_bit_set() {
                return None;
            }
        }
    }

    /// Worker `at` has something to do while it sleeps: of several, another one is to be woken.
    pub(crate) fn prefer_others(&self, at: usize) {
        // ORDERING: a wish.
        self.last.store(at, Relaxed);
    }

    /// Which of the sleepers `bits` of a word to wake.
    fn choose(&self, word: usize, bits: u64) -> usize {
        let first = bits.trailing_zeros() as usize;
        let others = bits & (bits - 1);
        // ORDERING: a wish.
        if others != 0 && self.last.load(Relaxed) == word * WORD + first {
            return others.trailing_zeros() as usize;
        }
        first
    }

    /// Wakes worker `at` if it sleeps; it searches then.
    pub fn wake(&self, at: usize) {
        // ORDERING: pairs with the fence in `announce`.
        fence(SeqCst);
        let (word, bit) = self.bit(at);
        if word.load(Relaxed) & bit != 0 && word.fetch_and(!bit, AcqRel) & bit != 0 {
            self.searching.workers.fetch_add(1, AcqRel);
            self.unpark(at);
        }
    }

    /// Wakes every sleeper.
    pub fn wake_all(&self) {
        for at in 0..self.unparkers.len() {
            self.wake(at);
        }
    }

    fn unpark(&self, at: usize) {
        self.unparkers[at].0.with(|slot| {
            // SAFETY: the caller cleared the bit of `at`: the waker was written before that bit
            // was set, and is not written again.
            let waker = unsafe { &*slot };
            waker
                .as_ref()
                .expect("invariant: registered before it sleeps")
                .wake_by_ref();
        });
    }

    /// Worker: begins to search unless half of the workers do; `true` when it may.
    pub fn try_search(&self) -> bool {
        // ORDERING: a limit on noise, not on work.
        if self.searching.workers.load(Relaxed) >= self.searchers {
            return false;
        }
        self.search();
        true
    }

    /// Worker: begins to search.
    pub fn search(&self) {
        self.searching.workers.fetch_add(1, AcqRel);
    }

    /// Worker: stops searching since it found work. `true`: it was the last, and must
    /// [`post`](Self::post) if any queue still has work.
    #[must_use]
    pub fn found(&self) -> bool {
        let last = self.searching.workers.fetch_sub(1, AcqRel) == 1;
        if last {
            // ORDERING: pairs with the fence of a poster that saw the count above zero.
            fence(SeqCst);
        }
        last
    }

    /// Worker: is about to sleep. Afterwards it looks at every queue, parks if all are empty, and
    /// calls [`awake`](Self::awake).
    pub fn announce(&self, at: usize, searching: bool) {
        let (word, bit) = self.bit(at);
        // ORDERING: Release publishes the unparker to whoever clears the bit.
        word.fetch_or(bit, AcqRel);
        if searching {
            self.searching.workers.fetch_sub(1, AcqRel);
        }
        if !seeded("idle: the sleeper does not fence") {
            // ORDERING: pairs with the fence in `post`: bit before, queues after.
            fence(SeqCst);
        }
    }

    /// Worker: no longer sleeps.
    pub fn awake(&self, at: usize) -> Awake {
        let (word, bit) = self.bit(at);
        let before = word.fetch_and(!bit, AcqRel);
        // ORDERING: Release pairs with `is_quiet`: whoever sees this sees the bit clear, and whoever
        // sees what the worker does from now on, sees this.
        self.searching.stirs.fetch_add(1, Release);
        if before & bit != 0 {
            Awake::Alone
        } else {
            Awake::Claimed
        }
    }

    /// Whether all of `workers` workers sleep and did so all the while that `is_empty` looked at every
    /// queue: then nobody has a job in hand. `false`: somebody is awake and will ask again when it goes
    /// to sleep, or there is work.
    pub fn is_quiet(&self, workers: usize, is_empty: impl Fn() -> bool) -> bool {
        loop {
            // ORDERING: Acquire: before the looks.
            let before = self.searching.stirs.load(Acquire);
            if self.sleeping() < workers || !is_empty() {
                return false;
            }
            // ORDERING: pairs with `awake`: after the looks.
            fence(SeqCst);
            let after = self.searching.stirs.load(Acquire);
            if before == after || seeded("idle: quiet after one look") {
                return true;
            }
        }
    }

    /// Whether worker `at` sleeps.
    pub fn is_asleep(&self, at: usize) -> bool {
        let (word, bit) = self.bit(at);
        word.load(Acquire) & bit != 0
    }

    /// How many workers search, as a guess.
    pub(crate) fn searching(&self) -> usize {
        self.searching.workers.load(Relaxed)
    }

    /// How many workers sleep.
    pub fn sleeping(&self) -> usize {
        self.sleepers
            .iter()
            .map(|word| word.load(Acquire).count_ones() as usize)
            .sum()
    }
}
