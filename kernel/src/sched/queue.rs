//! The ready and the sleeping threads of one CPU.
//!
//! # Who owns what
//! Both queues have a lock of their own, held for a few instructions. The policies of
//! [`kcore::sched`] decide who is taken, by the CPU itself or by one that steals. `ready` counts the
//! queue's length, so that an idle CPU can look at all queues without taking their locks.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kcore::{
    SpinLock, Tid, TimerQueue, Waiter,
    sched::{QUANTUM_TICKS, RunQueue, TICK_NS},
};

use crate::proc::thread::{Thread, ThreadRef};

/// See the module.
pub(crate) struct CpuQueue {
    /// The CPU whose queue this is.
    cpu: u32,
    run: SpinLock<RunQueue<ThreadRef>>,
    ready: AtomicUsize,
    timers: SpinLock<TimerQueue<&'static Thread>>,
    /// How many tick lengths had passed at this CPU's last tick. Its own.
    ticks: AtomicU64,
}

impl CpuQueue {
    /// Empty queues.
    pub(crate) fn new(cpu: u32) -> Self {
        Self {
            cpu,
            run: SpinLock::new(RunQueue::new(Tid::MAX_SLOTS)),
            ready: AtomicUsize::new(0),
            timers: SpinLock::new(TimerQueue::new()),
            ticks: AtomicU64::new(0),
        }
    }

    /// Makes a thread ready here.
    #[inline]
    pub(super) fn push(&self, thread: &'static Thread) {
        let mut run = self.run.lock();
        run.push_to_queue(ThreadRef(thread));
        self.count(1);
    }

    /// Takes the thread that runs next here.
    #[inline]
    pub(super) fn next_to_run(&self) -> Option<&'static Thread> {
        if !self.has_ready() {
            return None;
        }
        let mut run = self.run.lock();
        let next = run.next_to_run(self.cpu)?;
        self.count(-1);
        Some(next.0)
    }

    /// Takes a thread for the CPU with the number `thief`.
    pub(super) fn steal(&self, thief: u32) -> Option<&'static Thread> {
        if !self.has_ready() {
            return None;
        }
        let mut run = self.run.lock();
        let stolen = run.steal(thief)?;
        self.count(-1);
        Some(stolen.0)
    }

    /// How many threads are ready here, about.
    pub(super) fn ready(&self) -> usize {
        // ORDERING: Relaxed: a hint, see `count`.
        self.ready.load(Ordering::Relaxed)
    }

    /// Counts the queue's length, under its lock.
    #[inline]
    fn count(&self, change: isize) {
        // ORDERING: Relaxed: changed under the lock; read as a hint: an idle CPU reads it after the
        // fence of `IdleSet::announce`, a poster's push comes before the fence of
        // `IdleSet::any_after_post`.
        let ready = self.ready.load(Ordering::Relaxed);
        self.ready
            .store(ready.wrapping_add_signed(change), Ordering::Relaxed);
    }

    /// Whether a thread is ready here.
    #[inline]
    pub(super) fn has_ready(&self) -> bool {
        // ORDERING: Relaxed: the CPU's own pushes are its own past; for others see `push`.
        self.ready.load(Ordering::Relaxed) > 0
    }

    /// Counts ticks of the running thread; true if it has to make room.
    pub(super) fn timer_ticks(&self, running: &'static Thread, ticks: u64) -> bool {
        let mut run = self.run.lock();
        // More than the longest turn makes no difference.
        (0..ticks.min(64)).any(|_| run.timer_tick(&ThreadRef(running)))
    }

    /// Counts a tick at `now_ns`: how many have passed, lost ones included, and whether a quantum has.
    ///
    /// A machine whose host is busy loses ticks that come before the last one was taken.
    pub(super) fn count_ticks(&self, now_ns: u64) -> (u64, bool) {
        let quanta = |ticks: u64| ticks / u64::from(QUANTUM_TICKS);
        let ticks = now_ns / TICK_NS;
        // ORDERING: Relaxed: one writer, and nobody else reads it.
        let before = self.ticks.swap(ticks, Ordering::Relaxed);
        (ticks - before, quanta(ticks) > quanta(before))
    }

    /// Enters a deadline.
    pub(super) fn add_timer(&self, deadline_ns: u64, thread: &'static Thread) {
        self.timers.lock().insert(deadline_ns, thread.tid(), thread);
    }

    /// Takes a deadline out, if it has not fired.
    pub(super) fn cancel_timer(&self, deadline_ns: u64, thread: &'static Thread) {
        self.timers.lock().cancel(deadline_ns, thread.tid());
    }

    /// Wakes the threads whose deadlines have passed.
    pub(super) fn wake_due(&self, now_ns: u64) {
        loop {
            let due = self.timers.lock().pop_due(now_ns);
            match due {
                Some(thread) => ThreadRef(thread).wake(),
                None => return,
            }
        }
    }
}
