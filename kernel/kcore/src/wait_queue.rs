//! The threads that wait for one event: input, a free place, a changed state.
//!
//! # Protocol
//! Waiter: under the queue's lock, ask whether the event has come; if not, enter; then pause until
//! somebody takes the entry out, and ask again.
//! Waker: make the event true first, then [`wake_all`](WaitQueue::wake_all) or
//! [`wake_one`](WaitQueue::wake_one).
//!
//! # Why nothing is lost
//! The waiter asks under the lock that the waker takes after the event has come true. If the waker's
//! lock comes first, the waiter sees the event; if it comes second, the waker finds the entry.

use crate::{
    futex::WaitEnd,
    list::{List, WaitLink},
    park::{Pause, Waiter},
    sync::{SpinLock, seeded},
};

/// See the module.
#[derive(Debug)]
pub struct WaitQueue<W> {
    waiting: SpinLock<List<W, WaitLink>>,
}

impl<W: Waiter> WaitQueue<W> {
    /// Nobody waits.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            waiting: SpinLock::new(List::new()),
        }
    }

    /// Nobody waits.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            waiting: SpinLock::new(List::new()),
        }
    }

    /// Waits once, unless `ready` says that there is no need; the caller asks again afterwards.
    ///
    /// `ready` runs under the queue's lock. `pause` stops the caller until its next token.
    /// [`WaitEnd::Changed`] means that there was no wait.
    ///
    /// # Blocking
    /// Until woken, or until `pause` says that the wait is over.
    pub fn wait(
        &self,
        me: &W,
        ready: impl FnOnce() -> bool,
        mut pause: impl FnMut() -> Pause,
    ) -> WaitEnd {
        {
            let mut waiting = self.waiting.lock();
            if ready() {
                return WaitEnd::Changed;
            }
            if seeded("a wait queue is entered after the lock was gone") {
                drop(waiting);
                waiting = self.waiting.lock();
            }
            me.set_queued(true);
            waiting.push_back(me.clone());
        }
        loop {
            let end = match pause() {
                _ if !me.is_queued() => return WaitEnd::Woken,
                Pause::Again => continue,
                Pause::TimedOut => WaitEnd::TimedOut,
                Pause::Interrupted => WaitEnd::Interrupted,
            };
            let mut waiting = self.waiting.lock();
            if !me.is_queued() && !seeded("a late waiter of a wait queue does not ask again") {
                return WaitEnd::Woken;
            }
            let own = waiting.take_first(|who| who.is_same(me));
            assert!(own.is_some(), "invariant: a queued thread is in its queue");
            me.set_queued(false);
            return end;
        }
    }

    /// Wakes who has waited longest; false if nobody waits.
    pub fn wake_one(&self) -> bool {
        let mut waiting = self.waiting.lock();
        let Some(who) = waiting.pop_front() else {
            return false;
        };
        who.set_queued(false);
        drop(waiting);
        who.wake();
        true
    }

    /// Wakes everybody who waits now.
    pub fn wake_all(&self) {
        let mut most = self.waiting.lock().count(|_| true);
        if seeded("a wake of all stops at the first") {
            most = most.min(1);
        }
        for _ in 0..most {
            if !self.wake_one() {
                return;
            }
        }
    }
}

impl<W: Waiter> Default for WaitQueue<W> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::Ordering;

    use super::*;
    use crate::monitor::tests::Fake;

    #[test]
    fn waits_only_for_what_has_not_come() {
        let queue = WaitQueue::new();
        let me = Arc::new(Fake::default());
        assert_eq!(
            queue.wait(&me, || true, || panic!("no wait")),
            WaitEnd::Changed
        );
        assert!(!queue.wake_one());
        let woken = || {
            queue.wake_all();
            Pause::Again
        };
        assert_eq!(queue.wait(&me, || false, woken), WaitEnd::Woken);
        assert_eq!(me.wakes.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_wait_that_is_over_leaves_the_queue() {
        let queue = WaitQueue::new();
        let me = Arc::new(Fake::default());
        for (pause, end) in [
            (Pause::TimedOut, WaitEnd::TimedOut),
            (Pause::Interrupted, WaitEnd::Interrupted),
        ] {
            assert_eq!(queue.wait(&me, || false, || pause), end);
            assert!(!queue.wake_one() && !me.is_queued());
        }
        let late = || {
            assert!(queue.wake_one());
            Pause::TimedOut
        };
        assert_eq!(queue.wait(&me, || false, late), WaitEnd::Woken);
    }
}
