//! Seeing that a worker is held up, and taking over what waits behind it.
//!
//! A worker's next job, and one that is alone in its ring, are left to that worker: it will run
//! them at once, with what they need in its cache. That holds unless the poll or closure it is in
//! goes on for long. So while some worker is awake, one of those that sleep is the watch: it wakes
//! once a [`PERIOD`], and when a worker has not finished a single job since the last time, though
//! others wait behind it, it takes one of them, the next job first. A woken worker steals the
//! rest. It does the same where jobs wait that were held to be fast (`pace.rs`) and are not.
//!
//! # States
//! The watch is on (a worker that sleeps watches), free (nobody does at the moment) or off. It goes
//! off when all workers have slept for the length of the grace, so that an idle runtime sleeps for
//! good. A worker that falls asleep while it is free, or while it is off and others are awake, takes
//! it. The worker that watches leaves it when it wakes.
//!
//! # Protocol
//! * A worker that queues a job behind the one it runs, for the first time since it woke, posts as
//!   told in `idle.rs` if the watch is not on: the sleeper that this wakes, if there is one, finds
//!   nothing to do and takes the watch. So that this is seldom needed, a poster wakes the watch last of
//!   all sleepers. What it queues later costs nothing, for then it is the others' part:
//! * A worker that left the watch and gets a job hands it on: if the watch is not on and another one is
//!   awake, it posts. The last of those that search does the same when it gets a job, since posts may
//!   have counted on it.
//! * A sleeper announces itself, with a fence, and then looks whether any other is awake.
//!
//! # Why no job waits for long
//! Let worker W be held up in front of a job that it queued, while worker S sleeps. To be shown: the
//! watch is on, or somebody who is awake will post, or fall asleep as the last sentence says.
//!
//! W cleared its bit among the sleepers and fenced when it woke. If S fell asleep after that, it saw W
//! awake, and took the watch or saw that it is on. If S was asleep before, W's first look at the watch
//! found it on, or W posted: that woke S, or another, or counted on one that searches.
//!
//! So at some time the watch was on, or somebody searched. Who searches falls asleep, or gets a job
//! and, as the last one that searches, finds W awake and posts. Who leaves the watch falls asleep, or
//! gets a job; it too cleared its bit and fenced, after it left. If W's fence came first, it finds W
//! awake, and posts. If W's came later, W's first look at the watch found it left, and W has posted. Each
//! of these posts finds S, since S set its bit and fenced before its look at the watch, which was on
//! then, or was taken a moment later.
//!
//! And who falls asleep sees W awake and takes the watch, if it is not on. A guest, which has no bit,
//! says that it runs and fences, in its place; a spare thread that sits down fences too.

use core::{cell::Cell, time::Duration};

use alloc::{boxed::Box, vec::Vec};

use exec_core::{
    Job, Nanos, Threads,
    sync::{
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Relaxed, Release, SeqCst},
            fence,
        },
        seeded,
    },
};

use crate::{pace::is_backlog, queue::local::Stealer, shared::Shared};

/// How often the watch looks.
pub(crate) const PERIOD: Duration = Duration::from_micros(400);
/// Periods that the watch stays on when all sleep.
pub(crate) const GRACE: usize = if cfg!(loom) { 0 } else { 8 };

/// Nobody watches, and nobody did of late.
const OFF: usize = usize::MAX;
/// Nobody watches at the moment; the next one that sleeps will.
const FREE: usize = usize::MAX - 1;

/// Who watches.
#[derive(Debug)]
pub struct Watch {
    /// A worker's number, `FREE` or `OFF`.
    by: AtomicUsize,
    /// Looks in a row at which all slept; written by the one who watches.
    quiet: AtomicUsize,
}

impl Watch {
    /// Nobody watches.
    pub fn new() -> Self {
        Self {
            by: AtomicUsize::new(OFF),
            quiet: AtomicUsize::new(0),
        }
    }

    /// Whether somebody watches.
    #[inline]
    fn is_on(&self) -> bool {
        // ORDERING: a fence lies between the time at which this worker woke and this look; see the
        // module head.
        match self.by.load(Relaxed) {
            FREE => seeded("watch: it counts as on when nobody watches"),
            by => by != OFF,
        }
    }

    /// Worker `own` is about to sleep: the time until it should look at the others; `None` when it
    /// need not.
    pub fn take(&self, own: usize, some_awake: impl Fn() -> bool) -> Option<Duration> {
        let by = self.by.load(Relaxed);
        if by != OFF && by != FREE {
            return None;
        }
        let quiet = if some_awake() {
            0
        } else {
            self.quiet.load(Relaxed) + 1
        };
        if quiet > 0 && by == OFF {
            return None;
        }
        if quiet > GRACE {
            let _ = self.by.compare_exchange(FREE, OFF, AcqRel, Relaxed);
            return None;
        }
        if seeded("watch: taken by a look and a write") {
            self.by.store(own, Release);
        } else {
            // Where this fails another was faster, which hands it on when it leaves it.
            self.by.compare_exchange(by, own, AcqRel, Relaxed).ok()?;
        }
        self.quiet.store(quiet, Relaxed);
        Some(PERIOD)
    }

    /// Worker `own` no longer sleeps.
    pub fn leave(&self, own: usize) {
        // ORDERING: Release: what it saw comes before the next one's looks.
        let _ = self.by.compare_exchange(own, FREE, Release, Relaxed);
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// What a worker did so that the jobs behind those that are running are seen.
#[derive(Debug, Default)]
pub struct Cover {
    /// It has looked at the watch since it woke.
    looked: Cell<bool>,
    /// It left the watch, and got no job since.
    left: Cell<bool>,
}

impl Cover {
    /// Of a worker that is awake.
    pub fn new() -> Self {
        Self::default()
    }

    /// It is awake: no longer among the sleepers, and may queue jobs from now on.
    pub fn woke(&self) {
        if !seeded("watch: who wakes does not fence") {
            // ORDERING: pairs with the fence in `Idle::announce`, and with that of others here; see the
            // module head.
            fence(SeqCst);
        }
        self.looked.set(false);
    }

    /// It left the watch.
    pub fn left(&self) {
        self.left.set(true);
    }

    /// It queues a job behind the one that it runs; `true`: it has to post.
    #[inline]
    #[must_use]
    pub fn is_to_call(&self, watch: &Watch) -> bool {
        !self.looked.get() && self.look(watch)
    }

    #[cold]
    fn look(&self, watch: &Watch) -> bool {
        self.looked.set(true);
        !watch.is_on()
    }

    /// Whether it owes anything when it gets a job.
    #[inline]
    pub fn has_left(&self) -> bool {
        self.left.get()
    }

    /// It gets a job, maybe as the `last` one that searched, after a fence; `true`: it has to post.
    #[must_use]
    pub fn is_to_hand_on(&self, watch: &Watch, last: bool, other_awake: impl Fn() -> bool) -> bool {
        let left = self.left.take() && !seeded("watch: who leaves it does not hand it on");
        let last = last && !seeded("watch: who stops searching does not look at it");
        (left || last) && !watch.is_on() && other_awake()
    }
}

/// What the watching worker saw at its last look.
pub(crate) struct Watched {
    /// For each worker the number of jobs it had finished.
    finished: Cell<Box<[u64]>>,
}

impl Watched {
    pub(crate) fn new() -> Self {
        Self {
            finished: Cell::default(),
        }
    }

    /// Looks at the others: takes a job that waits behind one that is held up, and fires timers
    /// that are overdue.
    pub(crate) fn rescue<T: Threads>(&self, shared: &Shared<T>, own: usize) -> Option<Job> {
        let before = self.finished.take();
        let mut now = Vec::with_capacity(shared.remotes.len());
        let mut rescued = None;
        for (index, remote) in shared.remotes.iter().enumerate() {
            let finished = remote.counters.ran.get();
            now.push(finished);
            let running = index != own && remote.counters.running.get() > 0;
            let Some(before) = before.get(index).filter(|_| running) else {
                continue;
            };
            let done = finished.wrapping_sub(*before);
            if done > 0 {
                // Slower than it was held to be, so that nobody came.
                let waiting = remote.queue.stealable();
                if waiting > 1 && is_backlog(waiting, done, PERIOD) {
                    remote.pace.slow();
                    rescued = rescued.or_else(|| remote.queue.steal_one().job());
                }
                continue;
            }
            remote.pace.slow();
            if remote.timers.next() != Nanos::MAX {
                remote.timers.fire(shared.now());
            }
            if rescued.is_none() {
                rescued = remote
                    .queue
                    .take_next()
                    .or_else(|| remote.queue.steal_one().job());
            }
        }
        self.finished.set(now.into());
        rescued
    }
}

/// Observes rings that have one job for the length of a look-out.
pub(crate) struct Lone {
    /// Looks at which the same lone job was there.
    looks: Cell<u32>,
    stamp: Cell<u64>,
}

/// Looks (each a few spins apart) after which a lone job counts as held up: some microseconds.
const HELD_UP: u32 = 32;

impl Lone {
    pub(crate) fn new() -> Self {
        Self {
            looks: Cell::new(0),
            stamp: Cell::new(0),
        }
    }

    /// Whether a job has been alone in its ring for some microseconds.
    pub(crate) fn is_held_up<'a>(&self, rings: impl Iterator<Item = &'a Stealer>) -> bool {
        let mut stamp = 0_u64;
        let mut any = false;
        for ring in rings {
            if ring.stealable() == 1 {
                any = true;
                stamp = stamp.rotate_left(7) ^ ring.stamp();
            }
        }
        if !any || stamp != self.stamp.get() {
            self.stamp.set(stamp);
            self.looks.set(0);
            return false;
        }
        self.looks.set(self.looks.get() + 1);
        self.looks.get() > HELD_UP
    }
}
