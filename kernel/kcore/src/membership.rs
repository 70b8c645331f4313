//! The threads of a process: how many there are, and how the process ends.
//!
//! # States
//! Running: `ending` is 0. Ending: some thread has called exit_group, died by a fault, or a signal has
//! killed the process; the first such end counts, and every other thread leaves. If none comes, the end
//! is that of the thread that the process began with. Beside that a thread may wait to be the only
//! one.
//!
//! # Why the right end counts
//! `ending` and `end` change under the lock of `end`: the first thread's own end can't come between the
//! two, and never takes the place of the process's.
//!
//! # Why no thread stays
//! A thread that is being made publishes itself and then looks at [`is_ending`](Membership::is_ending)
//! and [`sole`](Membership::sole); who ends the process, or wants to be the only thread, says so here
//! and then looks for threads. All four are `SeqCst`, so one of them sees the other.

use crate::{
    family::Ending,
    sync::{AtomicU32, Ordering, SpinLock, seeded},
};

/// See the module.
#[derive(Debug)]
pub struct Membership {
    /// The tid of the thread that the process began with.
    first_tid: AtomicU32,
    threads: AtomicU32,
    /// Tids that are in use: of living threads, and of ended ones that nobody has joined.
    tids: AtomicU32,
    /// The tid of the thread that waits to be the only one; 0 if there is none.
    sole: AtomicU32,
    /// 1 once the process ends; set under the lock of `end`.
    ending: AtomicU32,
    end: SpinLock<Ending>,
}

impl Membership {
    /// No thread yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            first_tid: AtomicU32::new(0),
            threads: AtomicU32::new(0),
            tids: AtomicU32::new(0),
            sole: AtomicU32::new(0),
            ending: AtomicU32::new(0),
            end: SpinLock::new(Ending::Exited(0)),
        }
    }

    /// How many threads live.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        // ORDERING: Acquire pairs with `thread_ended`.
        self.threads.load(Ordering::Acquire)
    }

    /// Counts a new thread, the first of which is remembered.
    #[inline]
    pub fn thread_begins(&self, tid: u32) {
        // ORDERING: AcqRel: pairs with `thread_ended`.
        if self.threads.fetch_add(1, Ordering::AcqRel) == 0 {
            // ORDERING: Relaxed: the thread itself reads it, or one that it has made.
            self.first_tid.store(tid, Ordering::Relaxed);
        }
        // ORDERING: Relaxed: read when no other thread is left.
        self.tids.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a tid out.
    #[inline]
    pub fn tid_freed(&self) {
        // ORDERING: Relaxed: as above.
        self.tids.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many tids are in use.
    #[must_use]
    pub fn tid_count(&self) -> u32 {
        // ORDERING: Relaxed: as above.
        self.tids.load(Ordering::Relaxed)
    }

    /// Counts a thread out; true if it was the last. If nobody ends the process, the end of its first
    /// thread is its own.
    #[inline]
    #[must_use]
    pub fn thread_ended(&self, tid: u32, code: i32) -> bool {
        // ORDERING: Relaxed: as in `thread_begins`.
        if self.first_tid.load(Ordering::Relaxed) == tid {
            self.first_ended(code);
        }
        // ORDERING: AcqRel: the last one sees what all others did.
        self.threads.fetch_sub(1, Ordering::AcqRel) == 1
    }

    fn first_ended(&self, code: i32) {
        if seeded("the first thread looks without the lock") {
            if !self.is_ending() {
                *self.end.lock() = Ending::Exited(code);
            }
            return;
        }
        let mut end = self.end.lock();
        if !self.is_ending() {
            *end = Ending::Exited(code);
        }
    }

    /// Begins to end the process; the first caller's `end` counts.
    pub fn begin_end(&self, end: Ending) {
        let mut own = self.end.lock();
        // ORDERING: SeqCst: see the module.
        if self.ending.swap(1, Ordering::SeqCst) == 0 {
            *own = end;
        }
    }

    /// Whether all threads have to leave.
    #[inline]
    #[must_use]
    pub fn is_ending(&self) -> bool {
        // ORDERING: SeqCst: see the module.
        self.ending.load(Ordering::SeqCst) != 0
    }

    /// How the process ends, as far as is known now.
    #[must_use]
    pub fn end(&self) -> Ending {
        *self.end.lock()
    }

    /// Lets the thread with this tid wait to be the only one; false if another one does.
    #[must_use]
    pub fn begin_sole(&self, tid: u32) -> bool {
        // ORDERING: SeqCst: see the module.
        self.sole
            .compare_exchange(0, tid, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// The thread is the only one, and the one that the process began with from now on.
    pub fn finish_sole(&self, tid: u32) {
        // ORDERING: Relaxed: as in `thread_begins`.
        self.first_tid.store(tid, Ordering::Relaxed);
        self.sole.store(0, Ordering::SeqCst);
    }

    /// The tid of the thread that waits to be the only one, or 0.
    #[inline]
    #[must_use]
    pub fn sole(&self) -> u32 {
        // ORDERING: SeqCst: see the module.
        self.sole.load(Ordering::SeqCst)
    }
}

impl Default for Membership {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_threads_end_is_the_processs_if_nobody_says_otherwise() {
        let threads = Membership::new();
        threads.thread_begins(5);
        threads.thread_begins(6);
        assert!(!threads.thread_ended(5, 11));
        assert!(threads.thread_ended(6, 12));
        assert_eq!(threads.end(), Ending::Exited(11));
    }

    #[test]
    fn the_first_end_of_all_counts() {
        let threads = Membership::new();
        threads.thread_begins(5);
        threads.begin_end(Ending::Killed(9));
        threads.begin_end(Ending::Exited(1));
        assert!(threads.is_ending());
        assert!(threads.thread_ended(5, -1));
        assert_eq!(threads.end(), Ending::Killed(9));
    }

    #[test]
    fn one_thread_at_a_time_may_become_the_only_one() {
        let threads = Membership::new();
        for tid in [5, 6, 7] {
            threads.thread_begins(tid);
        }
        assert!(threads.begin_sole(6) && !threads.begin_sole(7));
        assert_eq!(threads.sole(), 6);
        let (_, _) = (threads.thread_ended(5, 1), threads.thread_ended(7, 2));
        assert_eq!((threads.count(), threads.tid_count()), (1, 3));
        threads.tid_freed();
        threads.tid_freed();
        threads.finish_sole(6);
        assert_eq!((threads.sole(), threads.tid_count()), (0, 1));
        assert!(threads.thread_ended(6, 3));
        assert_eq!(threads.end(), Ending::Exited(3), "it is the first now");
    }
}
