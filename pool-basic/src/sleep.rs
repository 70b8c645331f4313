//! When a worker sleeps, who wakes it, and when nobody is left.
//!
//! # States of a worker
//! *Active* (runs a job, or is about to look for one), *searching* (found nothing and keeps
//! looking for a moment, at most one at a time; or was just woken for a job), *asleep*. A worker
//! asleep is *idle*, or *helping*: it waits inside of a job and would run others meanwhile.
//!
//! One word holds the phase of the pool and the numbers of those asleep and searching. The list
//! of who is asleep is behind a lock; the number asleep changes only under that lock.
//!
//! # Protocol
//! Poster: queues a job, fence (the queue has it in its `push`), reads the word. Somebody searching will find the job. Nobody
//! searching and somebody asleep: it wakes one, who counts as searching from that moment.
//! Sleeper: under the lock it goes onto the list and from searching to asleep in one step, fence,
//! and then looks at the queue once more before it parks.
//! A searcher that finds a job stops searching, fence, and if it was the last one, jobs are left
//! and somebody is asleep, it wakes the next: posters relied on it meanwhile.
//!
//! # Why nothing is lost
//! Poster and sleeper: of the two fences one is first. Either the poster sees the sleeper on the
//! word and wakes it, or the sleeper's look sees the job. A poster that relied on a searcher read
//! the word before that searcher stopped, so the searcher's look, which comes after its own fence,
//! sees the job; and if another one still searches, the duty is that one's.
//! A wake sets the sleeper's flag before it unparks, and the ground keeps the token.
//!
//! # Shutdown
//! `CLOSED` (nothing new is taken; workers end when the queue is empty) and then perhaps
//! `CANCELLED` (workers end after their job) are set in the word, then everybody is woken. A
//! worker ends under the lock, after a last look at the queue behind a fence. So a poster that
//! came through before the close was seen has its job found by that look; and one that finds
//! `CLOSED` after it has queued asks under the lock whether a worker is left, and if there is
//! none takes its job back out (see [`Shared`](crate::shared::Shared)).

use core::task::Waker;

use crossbeam_utils::CachePadded;
use exec_core::{
    Ground, Nanos, StdGround,
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{
            AtomicU8, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
            fence,
        },
        seeded,
    },
};

/// Set by the first shutdown, never cleared.
pub(crate) const CLOSED: usize = 1 << 0;
/// Set by a shutdown that waits no longer, never cleared.
pub(crate) const CANCELLED: usize = 1 << 1;
/// One worker asleep.
const ASLEEP: usize = 1 << 2;
/// One worker searching.
const SEARCHING: usize = 1 << 17;
/// The bits of the number asleep.
const ASLEEP_MASK: usize = SEARCHING - ASLEEP;
/// The bits of the number searching.
const SEARCHING_MASK: usize = ((1 << 15) - 1) * SEARCHING;
/// The most workers that the word can count.
pub(crate) const MAX_WORKERS: usize = (1 << 15) - 1;

/// Not woken yet.
const NOT_YET: u8 = 0;
/// Woken for a job, and counted as searching.
const FOR_A_JOB: u8 = 1;
/// Woken for something else.
const TO_LOOK: u8 = 2;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    /// The last look found something; the worker did not sleep.
    Found,
    /// Woken; `searching` tells whether it counts as searching now.
    Woken {
        /// It does.
        searching: bool,
    },
    /// The worker has ended.
    Ended,
}

/// What a worker sees when it looks for the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// A reason to stay awake.
    Found,
    /// Nothing: sleep.
    Nothing,
    /// Nothing, and there never will be: end.
    End,
}

#[derive(Debug)]
struct Sleeper {
    worker: usize,
    helping: bool,
    waker: Waker,
}

#[derive(Debug)]
struct List {
    sleepers: Vec<Sleeper>,
    /// Those of the sleepers that are not helping.
    idle: usize,
    /// Workers that have not ended.
    alive: usize,
    /// Threads in `wait_idle`.
    awaiting_idle: usize,
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct Sleep {
    word: CachePadded<AtomicUsize>,
    list: Mutex<List>,
    /// Every worker left is idle.
    all_idle: Condvar,
    /// No worker is left.
    all_ended: Condvar,
    /// For each worker, whether and how it was woken; the waker's to set, the worker's to clear.
    woken: Box<[CachePadded<AtomicU8>]>,
}

impl Sleep {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            word: CachePadded::new(AtomicUsize::new(0)),
            list: Mutex::new(List {
                sleepers: Vec::with_capacity(workers),
                idle: 0,
                alive: 0,
                awaiting_idle: 0,
            }),
            all_idle: Condvar::new(),
            all_ended: Condvar::new(),
            woken: (0..workers)
                .map(|_| CachePadded::new(AtomicU8::new(NOT_YET)))
                .collect(),
        }
    }

    /// The phase as far as this thread knows.
    #[inline]
    pub(crate) fn phase(&self) -> usize {
        // ORDERING: a look; what must be exact is checked behind a fence or under the lock.
        self.word.load(Relaxed) & (CLOSED | CANCELLED)
    }

    /// Poster: a job was queued. `true` when a sleeper or a closed pool calls for
    /// [`attend`](Self::attend).
    #[inline]
    #[must_use]
    pub(crate) fn posted(&self) -> bool {
        // ORDERING: the queue's `push` ends with the fence that pairs with those of `sleep`,
        // `relay` and `enter`.
        let word = self.word.load(Relaxed);
        word & (CLOSED | CANCELLED) != 0 || (word & ASLEEP_MASK != 0 && word & SEARCHING_MASK == 0)
    }

    /// Poster: the slow half of [`posted`](Self::posted). `false` when the pool will not run the
    /// job any more.
    #[cold]
    pub(crate) fn attend(&self) -> bool {
        let list = self.list.lock();
        let ended = list.alive == 0 && !seeded("a poster trusts in a worker");
        if ended || self.phase() & CANCELLED != 0 {
            return false;
        }
        self.wake_one(list);
        true
    }

    /// Wakes one sleeper for a job, unless somebody searches or nobody sleeps.
    fn wake_one(&self, mut list: MutexGuard<'_, List>) {
        // ORDERING: a searcher that stops after this look makes its own look at the queue, which
        // the poster has written before.
        if self.word.load(Relaxed) & SEARCHING_MASK != 0 {
            return;
        }
        let Some(sleeper) = list.sleepers.pop() else {
            return;
        };
        if !sleeper.helping {
            list.idle -= 1;
        }
        // ORDERING: the word orders by its fences.
        self.word.fetch_add(SEARCHING - ASLEEP, Relaxed);
        drop(list);
        self.rouse(sleeper, FOR_A_JOB);
    }

    fn rouse(&self, sleeper: Sleeper, how: u8) {
        // ORDERING: Release pairs with the Acquire in `sleep`.
        self.woken[sleeper.worker].store(how, Release);
        sleeper.waker.wake();
    }

    /// Worker: begins to search, unless somebody does already.
    pub(crate) fn try_search(&self) -> bool {
        // ORDERING: see the module head; the fence comes when the search ends.
        self.word
            .fetch_update(Relaxed, Relaxed, |word| {
                (word & SEARCHING_MASK == 0).then_some(word + SEARCHING)
            })
            .is_ok()
    }

    /// Searcher: stops, since it has found a job or has another reason to stay awake.
    pub(crate) fn found(&self, is_empty: impl FnOnce() -> bool) {
        // ORDERING: the fence of `relay` follows.
        self.word.fetch_sub(SEARCHING, Relaxed);
        self.relay(is_empty);
    }

    /// Has stopped searching: wakes somebody for the jobs that are left, unless another searches.
    pub(crate) fn relay(&self, is_empty: impl FnOnce() -> bool) {
        // ORDERING: between stopping and look; pairs with the fence of the queue's `push`.
        fence(SeqCst);
        let word = self.word.load(Relaxed);
        if word & SEARCHING_MASK == 0 && word & ASLEEP_MASK != 0 && !is_empty() {
            self.wake_one(self.list.lock());
        }
    }

    /// Worker: sleeps, unless `look` finds something when everybody can see that it would.
    ///
    /// # Blocking
    /// Until it is woken.
    pub(crate) fn sleep(
        &self,
        worker: usize,
        helping: bool,
        searching: bool,
        look: impl FnOnce(usize) -> Look,
    ) -> Slept {
        let sleeper = Sleeper {
            worker,
            helping,
            waker: StdGround.unparker(),
        };
        let mut list = self.list.lock();
        list.sleepers.push(sleeper);
        let searched = if searching { SEARCHING } else { 0 };
        // Wraps when nobody searched less; the sum is what counts.
        // ORDERING: as `wake_one`.
        self.word.fetch_add(ASLEEP.wrapping_sub(searched), Relaxed);
        // ORDERING: between announcement and look; pairs with the fence of the queue's `push`.
        fence(SeqCst);
        let seen = if seeded("a sleeper does not look again") {
            Look::Nothing
        } else {
            look(self.phase())
        };
        if seen != Look::Nothing {
            // Nobody else has had the lock, so the last one on the list is still this one.
            drop(list.sleepers.pop());
            // ORDERING: as `wake_one`.
            self.word.fetch_sub(ASLEEP, Relaxed);
            if seen == Look::Found {
                return Slept::Found;
            }
            list.alive -= 1;
            self.tell(list);
            return Slept::Ended;
        }
        if !helping {
            list.idle += 1;
        }
        self.tell(list);
        loop {
            StdGround.park(None);
            // ORDERING: Acquire pairs with the Release of `rouse`.
            match self.woken[worker].swap(NOT_YET, Acquire) {
                NOT_YET => {}
                how => {
                    return Slept::Woken {
                        searching: how == FOR_A_JOB,
                    };
                }
            }
        }
    }

    /// Searcher or active worker: ends without a last look, since the pool is cancelled.
    pub(crate) fn end(&self, searching: bool) {
        let mut list = self.list.lock();
        if searching {
            // ORDERING: as `wake_one`.
            self.word.fetch_sub(SEARCHING, Relaxed);
        }
        list.alive -= 1;
        self.tell(list);
    }

    /// Tells those who wait for workers to be idle or gone.
    fn tell(&self, list: MutexGuard<'_, List>) {
        if list.awaiting_idle > 0 && list.idle == list.alive {
            self.all_idle.notify_all();
        }
        if list.alive == 0 {
            self.all_ended.notify_all();
        }
    }

    /// Wakes `worker` if it sleeps, to look again.
    pub(crate) fn wake(&self, worker: usize) {
        let mut list = self.list.lock();
        let Some(at) = list.sleepers.iter().position(|s| s.worker == worker) else {
            // It does not sleep, and looks again before it does.
            return;
        };
        let sleeper = list.sleepers.swap_remove(at);
        if !sleeper.helping {
            list.idle -= 1;
        }
        self.word.fetch_sub(ASLEEP, Relaxed);
        drop(list);
        self.rouse(sleeper, TO_LOOK);
    }

    /// Enters a phase and wakes everybody.
    pub(crate) fn enter(&self, phase: usize) {
        // ORDERING: published to the workers by the lock, and to posters by their fence and the
        // one below.
        self.word.fetch_or(phase, AcqRel);
        // ORDERING: between the phase and what the caller takes out of the queue; pairs with the
        // fence of the queue's `push`.
        fence(SeqCst);
        let mut list = self.list.lock();
        let sleepers = core::mem::take(&mut list.sleepers);
        list.idle = 0;
        self.word.fetch_sub(ASLEEP * sleepers.len(), Relaxed);
        drop(list);
        for sleeper in sleepers {
            self.rouse(sleeper, TO_LOOK);
        }
    }

    /// Counts a worker that is about to be started.
    pub(crate) fn begin(&self) {
        self.list.lock().alive += 1;
    }

    /// Takes back a [`begin`](Self::begin) whose thread could not be started.
    pub(crate) fn abandon(&self) {
        let mut list = self.list.lock();
        list.alive -= 1;
        self.tell(list);
    }

    /// Waits until every worker that is left is idle; `false` when `until` came first.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait_idle(&self, until: Option<Nanos>) -> bool {
        let mut list = self.list.lock();
        list.awaiting_idle += 1;
        let mut idle = list.idle == list.alive;
        while !idle {
            let Some(guard) = wait(&self.all_idle, list, until) else {
                // Timed out: the lock is taken again for the last word.
                list = self.list.lock();
                idle = list.idle == list.alive;
                break;
            };
            list = guard;
            idle = list.idle == list.alive;
        }
        list.awaiting_idle -= 1;
        idle
    }

    /// Waits until every worker has ended; `false` when `until` came first.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait_ended(&self, until: Option<Nanos>) -> bool {
        let mut list = self.list.lock();
        while list.alive != 0 {
            match wait(&self.all_ended, list, until) {
                Some(guard) => list = guard,
                None => return self.list.lock().alive == 0,
            }
        }
        true
    }
}

/// Waits for a condition; `None` when `until` has come.
fn wait<'a>(
    condition: &Condvar,
    list: MutexGuard<'a, List>,
    until: Option<Nanos>,
) -> Option<MutexGuard<'a, List>> {
    match until {
        None | Some(Nanos::MAX) => Some(condition.wait(list)),
        Some(at) => {
            let left = at.saturating_since(StdGround.now());
            if left.is_zero() {
                return None;
            }
            Some(condition.wait_timeout(list, left).0)
        }
    }
}
