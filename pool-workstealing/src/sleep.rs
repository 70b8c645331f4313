//! Who is awake: how workers go to sleep, and how a post wakes exactly one of them.
//!
//! # States
//! A worker is running (not counted), searching (awake, without work), sleeping (parked until
//! work is posted), or blocked (parked inside a job, until what it waits for is done). One word
//! counts the last three, and the threads outside that *stand in*: they spin for a moment for a
//! job that a worker has begun. The list of sleepers is changed under a lock, together with the
//! count.
//!
//! # Protocol
//! * Poster: makes the work visible; full fence; reads the word. Somebody sleeps and nobody
//!   searches: under the lock it takes one sleeper off the list, counts it as searching on its
//!   behalf, and unparks it. While that one is on its way, posts wake nobody else.
//!   A poster from outside that finds somebody running looks again for a moment before it does
//!   so: whether somebody searches by now, or the work is gone.
//! * Sleeper: under the lock, puts itself on the list and counts itself as sleeping; full fence;
//!   looks at every queue once more. Work there: it gets up again. Otherwise it parks until a
//!   waker has taken it off the list.
//! * A searcher that finds work and was the last one searching: full fence; looks whether there
//!   is more work; if so it wakes the next. Nobody is woken without work in sight.
//! * A thread that stands in holds a CPU that a woken worker would need, and for a job that ends
//!   at once nobody is needed: a worker that exposes a fork meanwhile wakes nobody. Who stands down
//!   counts itself off; full fence; looks for exposed forks; if there are some, it wakes one worker,
//!   just before it leaves its CPU. So a fork may have to wait for as long as a stand-in spins.
//! * A worker that has to wait inside a job counts itself as blocked; full fence; looks once
//!   more at what it waits for. Posts do not wake it unless every worker is blocked: then it is
//!   woken, because nobody else could run the job. When nobody sleeps, posts also wake those who
//!   block *open*: they take any work while they wait.
//!
//! # Why nothing is lost
//! Of the poster's publish-fence-read and the sleeper's count-fence-look, one sees the other: the
//! poster sees a sleeper, or the sleeper sees the work. A poster that stays quiet because
//! somebody searches is covered by the searcher: it either goes to sleep, and looks after its
//! fence, or finds work, and looks after its fence. Standing down is such a look as well.
//!
//! # Shutdown
//! `wake_all` takes everybody off the list; a worker that comes later looks at the registry's
//! phase as at a queue, after its fence. A worker that leaves a pool that goes on may have been
//! woken for a job: it leaves as a searcher that found work, and wakes the next if there is more.

use crossbeam_utils::CachePadded;
use exec_core::sync::{
    Mutex,
    atomic::{
        AtomicBool, AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    seeded, spin_loop, thread,
};

use crate::fence;

const SEARCHING: u64 = 1;
const SLEEPING: u64 = 1 << 16;
const BLOCKED: u64 = 1 << 32;
const STANDING: u64 = 1 << 48;
const FIELD: u64 = 0xffff;
/// How often a poster looks whether a running worker has come, before it wakes a sleeper; and
/// the pauses between two looks. About a quarter of a microsecond in all.
const PATIENCE: u32 = if cfg!(loom) { 1 } else { 3 };
const PAUSES: u32 = if cfg!(loom) { 1 } else { 3 };

/// The counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle(u64);

impl Idle {
    /// Workers that are awake without work.
    #[inline]
    pub const fn searching(self) -> usize {
        (self.0 & FIELD) as usize
    }
    /// Workers that are parked for lack of work.
    #[inline]
    pub const fn sleeping(self) -> usize {
        ((self.0 / SLEEPING) & FIELD) as usize
    }
    /// Workers that are parked inside a job.
    #[inline]
    pub const fn blocked(self) -> usize {
        ((self.0 / BLOCKED) & FIELD) as usize
    }
    /// Threads outside that spin for a job.
    #[inline]
    pub const fn standing(self) -> usize {
        ((self.0 / STANDING) & FIELD) as usize
    }
    /// Workers that could take a job now or soon.
    #[inline]
    pub const fn hungry(self) -> usize {
        self.searching() + self.sleeping()
    }
}

/// What the others need to know to wake one worker.
#[derive(Debug)]
struct Bunk {
    /// On the list of sleepers.
    asleep: AtomicBool,
    /// Parked inside a job, or about to be.
    blocked: AtomicBool,
    /// Whose job a blocked worker waits for: a worker's index plus one; 0 when not blocked there.
    waits_for: AtomicUsize,
    /// The thread in this seat.
    thread: Mutex<Option<thread::Thread>>,
}

/// The idle workers of a pool.
#[derive(Debug)]
pub struct Sleep {
    idle: CachePadded<AtomicU64>,
    list: Mutex<Vec<usize>>,
    bunks: Box<[Bunk]>,
    /// Workers there are.
    workers: AtomicUsize,
    /// Blocked workers that take any work.
    open: AtomicUsize,
}

impl Sleep {
    /// For `seats` workers at most.
    pub fn new(seats: usize) -> Self {
        Self {
            idle: CachePadded::new(AtomicU64::new(0)),
            list: Mutex::new(Vec::with_capacity(seats)),
            bunks: (0..seats)
                .map(|_| Bunk {
                    asleep: AtomicBool::new(false),
                    blocked: AtomicBool::new(false),
                    waits_for: AtomicUsize::new(0),
                    thread: Mutex::new(None),
                })
                .collect(),
            workers: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        }
    }

    /// The current thread takes seat `me`; it counts as searching.
    pub fn arrive(&self, me: usize) {
        *self.bunks[me].thread.lock() = Some(thread::current());
        self.workers.fetch_add(1, Relaxed);
        self.idle.fetch_add(SEARCHING, AcqRel);
    }

    /// The worker in seat `me`, which counts as searching, leaves. It may have been woken for
    /// work that it leaves to others: `more` tells.
    pub fn depart(&self, me: usize, more: impl FnOnce() -> bool) {
        self.workers.fetch_sub(1, Relaxed);
        self.stop_search(|| !seeded("sleep: a leaver passes nothing on") && more());
        *self.bunks[me].thread.lock() = None;
    }

    /// The counts now.
    #[inline]
    pub fn idle(&self) -> Idle {
        Idle(self.idle.load(Relaxed))
    }

    /// Whether no worker is left that could take a job without being blocked in another.
    pub fn all_blocked(&self) -> bool {
        self.idle().blocked() >= self.workers.load(Relaxed)
    }

    /// Whether every other worker than the one that asks is blocked.
    pub fn all_blocked_but_one(&self) -> bool {
        self.idle().blocked() + 1 >= self.workers.load(Relaxed)
    }

    /// Whether every other worker than the one that asks sleeps.
    pub fn is_rest_asleep(&self) -> bool {
        let me = if seeded("sleep: a runner counts as asleep") {
            2
        } else {
            1
        };
        // A worker counts itself in `workers` before it counts as anything else.
        self.idle().sleeping() + me >= self.workers.load(Relaxed)
    }

    /// A worker has run out of work.
    pub fn start_search(&self) {
        self.idle.fetch_add(SEARCHING, AcqRel);
    }

    /// A searching worker has found work; `more` tells whether there is more of it.
    #[inline]
    pub fn stop_search(&self, more: impl FnOnce() -> bool) {
        let before = Idle(self.idle.fetch_sub(SEARCHING, AcqRel));
        if before.searching() == 1 && before.0 != SEARCHING {
            // ORDERING: pairs with the fence of `posted`: a poster that saw this searcher and
            // woke nobody has made its work visible to `more`.
            fence::full_after_rmw();
            if more() && !seeded("sleep: the last searcher wakes nobody") {
                if seeded("sleep: the last searcher wakes sleepers only") {
                    return self.wake_one();
                }
                self.wake_for_post();
            }
        }
    }

    /// Work was made visible: wakes one worker, unless somebody is looking already.
    #[inline]
    pub fn posted(&self) {
        if !seeded("sleep: no fence after the post") {
            // ORDERING: pairs with the fence of `sleep`; see the module head.
            fence::full();
        }
        self.wake_for_post();
    }

    /// As [`posted`](Self::posted), by a thread that is no worker. While somebody runs, and may
    /// come for the work in a moment, it does not wake a sleeper at once: that costs both sides
    /// more than the moment. `waits` tells whether the work is still there.
    #[inline]
    pub fn posted_outside(&self, waits: impl Fn() -> bool) {
        // ORDERING: as in `posted`.
        fence::full();
        let idle = self.idle();
        if idle.searching() == 0 && idle.0 != 0 {
            if idle.hungry() + idle.blocked() < self.workers.load(Relaxed) && self.is_met(waits) {
                return;
            }
            self.wake_for_post();
        }
    }

    /// Waits a moment for a running worker to come for the work. What it sees is as good as what
    /// `wake_for_post` would: a searcher looks at the work after its fence, and work that is gone
    /// needs nobody.
    #[cold]
    fn is_met(&self, waits: impl Fn() -> bool) -> bool {
        (0..PATIENCE).any(|_| {
            for _ in 0..PAUSES {
                spin_loop();
            }
            self.idle().searching() != 0
                || !waits()
                || seeded("sleep: a poster relies on a running worker")
        })
    }

    /// As [`posted`](Self::posted), by a worker, just after a read-modify-write that exposed a
    /// fork: leaves it to whoever stands in.
    #[inline]
    pub fn forked_by_rmw(&self) {
        // ORDERING: as in `posted`.
        fence::full_after_rmw();
        if self.idle().standing() == 0 {
            self.wake_for_post();
        }
    }

    /// The current thread, which is no worker, is about to spin for a moment for a job.
    pub fn stand_in(&self) {
        self.idle.fetch_add(STANDING, AcqRel);
    }

    /// It has done so; `forks` tells whether one lies exposed.
    pub fn stand_down(&self, forks: impl FnOnce() -> bool) {
        self.idle.fetch_sub(STANDING, AcqRel);
        // ORDERING: pairs with the fence of `forked_by_rmw`: a worker that saw this thread
        // standing in and woke nobody has made its fork visible to `forks`.
        fence::full_after_rmw();
        if self.idle().searching() == 0 && forks() && !seeded("sleep: a stand-in wakes nobody") {
            self.wake_for_post();
        }
    }

    #[inline]
    fn wake_for_post(&self) {
        let idle = self.idle();
        if idle.searching() != 0 {
            return;
        }
        if idle.sleeping() != 0 {
            self.wake_one();
        } else if idle.blocked() != 0 && (self.open.load(Relaxed) != 0 || self.all_blocked()) {
            self.nudge_all();
        }
    }

    /// Takes one sleeper off the list and unparks it, unless somebody searches.
    #[cold]
    pub fn wake_one(&self) {
        let mut list = self.list.lock();
        if self.idle().searching() != 0 {
            return;
        }
        let Some(who) = list.pop() else {
            return;
        };
        self.take_off(who);
        drop(list);
        self.unpark(who);
    }

    /// Counts a sleeper that was taken off the list as searching; under the lock.
    fn take_off(&self, who: usize) {
        self.idle
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), AcqRel);
        // ORDERING: pairs with the Acquire of `sleep`.
        self.bunks[who].asleep.store(false, Release);
    }

    /// Unparks the worker in seat `who`, whatever it waits for.
    pub fn unpark(&self, who: usize) {
        let thread = self.bunks[who].thread.lock().clone();
        if let Some(thread) = thread {
            thread.unpark();
        }
    }

    /// Wakes worker `who` if it sleeps, and unparks it if it is blocked.
    pub fn wake(&self, who: usize) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|&i| i == who) {
            list.remove(at);
            self.take_off(who);
            drop(list);
            self.unpark(who);
        } else {
            drop(list);
            self.unpark_if_blocked(who);
        }
    }

    fn unpark_if_blocked(&self, who: usize) {
        // ORDERING: after the poster's fence, which pairs with that of `block`.
        if self.bunks[who].blocked.load(Relaxed) {
            self.unpark(who);
        }
    }

    /// Wakes everybody who sleeps or is blocked.
    pub fn wake_all(&self) {
        let sleepers = {
            let mut list = self.list.lock();
            for &who in &*list {
                self.take_off(who);
            }
            std::mem::take(&mut *list)
        };
        for who in sleepers {
            self.unpark(who);
        }
        self.nudge_all();
    }

    /// A searching worker sleeps until it is woken; it counts as searching again afterwards.
    /// `has_work` looks at every queue.
    ///
    /// `true` when it parked.
    ///
    /// # Blocking
    /// Until work was posted.
    pub fn sleep(&self, me: usize, has_work: impl FnOnce() -> bool) -> bool {
        let bunk = &self.bunks[me];
        {
            let mut list = self.list.lock();
            bunk.asleep.store(true, Relaxed);
            list.push(me);
            self.idle
                .fetch_add(SLEEPING.wrapping_sub(SEARCHING), AcqRel);
        }
        if !seeded("sleep: no fence before the last look") {
            // ORDERING: pairs with the fence of `posted`; see the module head.
            fence::full();
        }
        if has_work() && !seeded("sleep: no last look") {
            self.get_up(me);
            return false;
        }
        // ORDERING: pairs with the Release of `take_off`.
        while bunk.asleep.load(Acquire) {
            thread::park();
        }
        true
    }

    /// Leaves the list, unless a waker has done that.
    fn get_up(&self, me: usize) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|&i| i == me) {
            list.remove(at);
            self.take_off(me);
        }
    }

    /// A worker parks once inside a job, unless `look` finds that it need not. `whose` is the
    /// worker that runs what it waits for, if it may help that one.
    ///
    /// Whoever ends what it waits for unparks this thread; it is also unparked, and the thread's
    /// token remembers that, when it is asked to look around. The caller asks again either way.
    ///
    /// # Blocking
    /// Until unparked.
    pub fn block(
        &self,
        me: usize,
        whose: Option<usize>,
        look: impl FnOnce() -> bool,
        park: impl FnOnce(),
    ) {
        let bunk = &self.bunks[me];
        bunk.blocked.store(true, Relaxed);
        if !seeded("sleep: a blocked worker does not say whose job it waits for") {
            bunk.waits_for.store(whose.map_or(0, |i| i + 1), Relaxed);
        }
        self.idle.fetch_add(BLOCKED, AcqRel);
        // ORDERING: pairs with the fence of `posted`: either the poster sees this worker
        // blocked, or this worker sees the work.
        fence::full();
        if !look() {
            park();
        }
        bunk.waits_for.store(0, Relaxed);
        bunk.blocked.store(false, Relaxed);
        self.idle.fetch_sub(BLOCKED, AcqRel);
    }

    /// As [`block`](Self::block), and each post asks it to look around when nobody sleeps.
    ///
    /// # Blocking
    /// Until unparked.
    pub fn block_open(&self, me: usize, look: impl FnOnce() -> bool, park: impl FnOnce()) {
        // ORDERING: before the fence of `block`, which pairs with that of `posted`.
        if !seeded("sleep: an open wait is not counted") {
            self.open.fetch_add(1, Relaxed);
        }
        self.block(me, None, look, park);
        self.open.fetch_sub(1, Relaxed);
    }

    /// Worker `whose` has exposed work: wakes one worker that is blocked on a job of it.
    #[cold]
    pub fn help_wanted(&self, whose: usize) {
        let blocked = self.bunks.iter().position(|bunk| {
            // ORDERING: the poster's fence stands before; the winner alone nudges.
            bunk.waits_for
                .compare_exchange(whose + 1, 0, Relaxed, Relaxed)
                .is_ok()
        });
        if let Some(who) = blocked {
            self.unpark(who);
        }
    }

    /// Asks every blocked worker to look around.
    #[cold]
    fn nudge_all(&self) {
        for who in 0..self.bunks.len() {
            self.unpark_if_blocked(who);
        }
    }
}
