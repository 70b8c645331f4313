//! The threads of a process: how many there are, and how the process ends.
//!
//! # States
//! Running: `ending` is 0. Ending: some thread has called exit_group, died by a fault, or a signal has
//! killed the process; the first such end counts, and every other thread leaves. If none comes, the end
//! is that of the thread that the process began with. Beside that the process may be stopped, and a
//! thread may wait to be the only one.
//!
//! # Protocol
//! Who ends or stops the process, or wants to be the only thread, says so here, then asks every thread
//! that it finds. Who makes a thread publishes it, then asks it for what is [`asked`](Membership::asked)
//! here already. A thread that ends is [counted out](Membership::thread_ended), then looks for
//! [`sole`](Membership::sole) and wakes it; who wants to be the only one says so, then
//! [counts](Membership::count).
//!
//! # Why the right end counts
//! `ending` and `end` change under the lock of `end`: the first thread's own end can't come between the
//! two, and never takes the place of the process's.
//!
//! # Why no thread is missed
//! In each pair both sides write first and look second, and all four accesses are `SeqCst`: one of the
//! two sees the other.

use crate::{
    family::Ending,
    sync::{AtomicU32, Ordering, SpinLock, load_in_order, seeded},
};

/// What a process wants of all its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// To leave: the process ends, or another thread wants to be the only one.
    pub leave: bool,
    /// To wait until the process goes on.
    pub stop: bool,
}

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
    /// 1 while the process is stopped.
    stopped: AtomicU32,
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
            stopped: AtomicU32::new(0),
        }
    }

    /// How many threads live.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        // ORDERING: SeqCst: see the module; pairs with `thread_ended`.
        load_in_order(&self.threads)
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
        // ORDERING: SeqCst: see the module; the last one sees what all others did.
        self.threads.fetch_sub(1, Ordering::SeqCst) == 1
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
        load_in_order(&self.ending) != 0
    }

    /// Stops the process; false if it is stopped already.
    #[must_use]
    pub fn begin_stop(&self) -> bool {
        // ORDERING: SeqCst: see the module.
        self.stopped.swap(1, Ordering::SeqCst) == 0
    }

    /// Lets the process go on; false if it was not stopped.
    #[must_use]
    pub fn end_stop(&self) -> bool {
        // ORDERING: SeqCst: see the module.
        self.stopped.swap(0, Ordering::SeqCst) == 1
    }

    /// Whether the process is stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        // ORDERING: SeqCst: see the module.
        load_in_order(&self.stopped) != 0
    }

    /// What a thread that was just published has to be asked for: whoever asked all threads may have
    /// missed it.
    #[inline]
    #[must_use]
    pub fn asked(&self) -> Asked {
        Asked {
            leave: self.is_ending() || self.sole() != 0,
            stop: self.is_stopped(),
        }
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
        load_in_order(&self.sole)
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
    fn a_new_thread_is_asked_for_what_all_were() {
        let threads = Membership::new();
        threads.thread_begins(5);
        let asked = |leave, stop| Asked { leave, stop };
        assert_eq!(threads.asked(), asked(false, false));
        assert!(threads.begin_stop() && !threads.begin_stop());
        assert_eq!(threads.asked(), asked(false, true));
        assert!(threads.end_stop() && !threads.end_stop());
        assert!(threads.begin_sole(5));
        assert_eq!(threads.asked(), asked(true, false));
        threads.finish_sole(5);
        assert_eq!(threads.asked(), asked(false, false));
        threads.begin_end(Ending::Exited(0));
        assert_eq!(threads.asked(), asked(true, false));
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
