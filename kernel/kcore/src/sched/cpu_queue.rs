//! The ready and the sleeping threads of one CPU.
//!
//! # Who owns what
//! The run queue and the deadlines have a lock each, held for a few instructions. The policies decide who
//! is taken, by the CPU itself or by one that steals. `ready` counts the run queue's length, so that an
//! idle CPU can look at all queues without taking their locks.
//!
//! # The front
//! As long as one thread at most is ready, and it is a usual one (see
//! [`is_usual`](super::share::Share::is_usual)), it stands in the [`Front`], which has no lock, and its
//! policy does not see it: with nobody to choose from, all policies choose the same. The tick moves it
//! to the run queue. The front's thread came first, so it is taken first.

use super::{QUANTUM_TICKS, RunQueue, Scheduled, TICK_NS};
use crate::{
    park::Waiter,
    sync::{AtomicU64, AtomicUsize, Ordering, SpinLock},
    timers::TimerQueue,
};

/// Room for one ready thread, without a lock: a [`FrontWord`](crate::FrontWord) and what its words mean.
pub trait Front<T> {
    /// Whether there is nobody in it: for the owner exact, for others a hint.
    fn is_empty(&self) -> bool;
    /// Puts a thread in; for the owner, who has found it empty.
    fn put(&self, thread: T);
    /// Takes the thread out, if there is one.
    fn take(&self) -> Option<T>;
}

/// See the module.
#[derive(Debug)]
pub struct CpuQueue<T, F> {
    /// The CPU whose queue this is.
    cpu: u32,
    front: F,
    run: SpinLock<RunQueue<T>>,
    ready: AtomicUsize,
    timers: SpinLock<TimerQueue<T>>,
    /// How many tick lengths had passed at this CPU's last tick. Its own.
    ticks: AtomicU64,
}

impl<T: Scheduled + Waiter, F: Front<T>> CpuQueue<T, F> {
    /// Empty queues with room for `capacity` threads.
    #[must_use]
    pub fn new(cpu: u32, capacity: usize, front: F) -> Self {
        Self {
            cpu,
            front,
            run: SpinLock::new(RunQueue::new(capacity)),
            ready: AtomicUsize::new(0),
            timers: SpinLock::new(TimerQueue::new()),
            ticks: AtomicU64::new(0),
        }
    }

    /// Whether nobody is ready here, so that the next one may stand in the front; for the CPU itself.
    #[inline(always)]
    #[must_use]
    pub fn has_room_in_front(&self) -> bool {
        self.front.is_empty() & (self.waiting() == 0)
    }

    /// Makes a usual thread ready here, in the front, which [has room](Self::has_room_in_front); for the
    /// CPU itself.
    #[inline(always)]
    pub fn put_front(&self, thread: T) {
        self.front.put(thread);
    }

    /// Makes a thread ready here.
    #[inline(never)]
    pub fn push(&self, thread: T) {
        let mut run = self.run.lock();
        run.push_to_queue(thread);
        self.count(1);
    }

    /// Takes the front's thread, if there is one: it runs next. For the CPU itself.
    #[inline(always)]
    pub fn take_front(&self) -> Option<T> {
        self.front.take()
    }

    /// Moves the front's thread to the run queue, since it may not be a usual one any more.
    pub fn yield_front(&self) {
        if let Some(first) = self.front.take() {
            self.push(first);
        }
    }

    /// Takes the thread that the policies run next here, after the front was found empty.
    #[inline(never)]
    pub fn next_to_run(&self) -> Option<T> {
        if self.waiting() == 0 {
            return None;
        }
        let mut run = self.run.lock();
        let next = run.next_to_run(self.cpu)?;
        self.count(-1);
        Some(next)
    }

    /// Takes a thread for the CPU with the number `thief`.
    #[must_use]
    pub fn steal(&self, thief: u32) -> Option<T> {
        if let Some(first) = self.front.take() {
            if first.share().may_run_on(thief) {
                return Some(first);
            }
            self.push(first);
        }
        if self.waiting() == 0 {
            return None;
        }
        let mut run = self.run.lock();
        let stolen = run.steal(thief)?;
        self.count(-1);
        Some(stolen)
    }

    /// How many threads are ready here, about.
    pub fn ready(&self) -> usize {
        self.waiting() + usize::from(!self.front.is_empty())
    }

    /// How many stand in the run queue, about.
    #[inline]
    fn waiting(&self) -> usize {
        // ORDERING: Relaxed: a hint, see `count`.
        self.ready.load(Ordering::Relaxed)
    }

    /// Counts the run queue's length, under its lock.
    #[inline]
    fn count(&self, change: isize) {
        // ORDERING: Relaxed: changed under the lock; read as a hint: an idle CPU reads it after the
        // fence of `IdleSet::announce`, a poster's push comes before the fence of
        // `IdleSet::any_after_post`.
        let ready = self.ready.load(Ordering::Relaxed);
        self.ready
            .store(ready.wrapping_add_signed(change), Ordering::Relaxed);
    }

    /// Counts ticks of the running thread; true if it has to make room.
    pub fn timer_ticks(&self, running: &T, ticks: u64) -> bool {
        // From here on its policy counts who waits.
        self.yield_front();
        let mut run = self.run.lock();
        // More than the longest turn makes no difference.
        (0..ticks.min(64)).any(|_| run.timer_tick(running))
    }

    /// Counts a tick at `now_ns`: how many have passed, lost ones included, and whether a quantum has.
    ///
    /// A machine whose host is busy loses ticks that come before the last one was taken.
    pub fn count_ticks(&self, now_ns: u64) -> (u64, bool) {
        let quanta = |ticks: u64| ticks / u64::from(QUANTUM_TICKS);
        let ticks = now_ns / TICK_NS;
        // ORDERING: Relaxed: one writer, and nobody else reads it.
        let before = self.ticks.swap(ticks, Ordering::Relaxed);
        (ticks - before, quanta(ticks) > quanta(before))
    }

    /// Enters a deadline of the thread with the number `id`.
    pub fn add_timer(&self, deadline_ns: u64, id: u32, thread: T) {
        self.timers.lock().insert(deadline_ns, id, thread);
    }

    /// Takes a deadline out, if it has not fired.
    pub fn cancel_timer(&self, deadline_ns: u64, id: u32) {
        self.timers.lock().cancel(deadline_ns, id);
    }

    /// Wakes the threads whose deadlines have passed.
    pub fn wake_due(&self, now_ns: u64) {
        loop {
            let due = self.timers.lock().pop_due(now_ns);
            match due {
                Some(thread) => thread.wake(),
                None => return,
            }
        }
    }
}
