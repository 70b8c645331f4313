//! A state under a lock, and the threads that wait until it is as they need it.
//!
//! Pipes, mailboxes, semaphores and sockets are one of these each. Two sides wait: *takers* for
//! something to be there, *givers* for room.
//!
//! # Protocol
//! Waiter: under the lock, try; if that does not go yet, enter the side's queue; pause until somebody
//! takes the entry out; try again. Whoever changes the state says, under the same lock, how many of
//! each side shall try again; they are taken out, first come first served, and woken after the lock is
//! gone.
//!
//! A woken thread may find that another one, which never waited, was faster. Then it goes back to the
//! *front* of its queue, so that the order among those who wait stays.
//!
//! # Why nothing is lost
//! Trying and entering are one step under the lock that each change takes: a change that comes first
//! is seen, one that comes second finds the entry. A wake-up is worth one try, and it must not end
//! with the thread that got it: a thread whose time is over when it was woken tries once more; one
//! that must leave hands its wake-up on to the next of its side.

use crate::{
    list::{List, WaitLink},
    park::{Pause, Waiter},
    sync::{SpinGuard, SpinLock, seeded},
};

/// For what a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// For something to take.
    Takers,
    /// For room to give something.
    Givers,
}

/// How many of each side shall try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakes {
    /// Takers.
    pub takers: usize,
    /// Givers.
    pub givers: usize,
}

impl Wakes {
    /// Everybody: the state has changed for ever.
    pub const ALL: Self = Self {
        takers: usize::MAX,
        givers: usize::MAX,
    };
}

/// Why a wait ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The deadline came first.
    TimedOut,
    /// The thread has to leave, or to look at a signal.
    Interrupted,
}

#[derive(Debug)]
struct Inner<S, W> {
    state: S,
    takers: List<W, WaitLink>,
    givers: List<W, WaitLink>,
}

impl<S, W> Inner<S, W> {
    #[inline]
    fn queue(&mut self, side: Side) -> &mut List<W, WaitLink> {
        match side {
            Side::Takers => &mut self.takers,
            Side::Givers => &mut self.givers,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Monitor<S, W> {
    inner: SpinLock<Inner<S, W>>,
}

impl<S, W: Waiter> Monitor<S, W> {
    /// A state that nobody waits for.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(state: S) -> Self {
        Self {
            inner: SpinLock::new(Inner {
                state,
                takers: List::new(),
                givers: List::new(),
            }),
        }
    }

    /// A state that nobody waits for.
    #[cfg(loom)]
    #[must_use]
    pub fn new(state: S) -> Self {
        Self {
            inner: SpinLock::new(Inner {
                state,
                takers: List::new(),
                givers: List::new(),
            }),
        }
    }

    /// Looks at the state or changes it, and wakes as many as `change` says.
    #[inline]
    pub fn with<R>(&self, change: impl FnOnce(&mut S, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::default();
        let mut inner = self.inner.lock();
        let result = change(&mut inner.state, &mut wakes);
        self.wake(inner, wakes);
        result
    }

    /// Tries until `attempt` has a result; waits on `side` in between.
    ///
    /// `attempt` runs under the lock. `pause` stops the caller until its next token.
    ///
    /// # Errors
    /// [`Stopped`] if `pause` says that the wait is over, and a last try had no result.
    ///
    /// # Blocking
    /// As said.
    #[inline]
    pub fn wait<R>(
        &self,
        me: &W,
        side: Side,
        mut attempt: impl FnMut(&mut S, &mut Wakes) -> Option<R>,
        pause: impl FnMut() -> Pause,
    ) -> Result<R, Stopped> {
        let mut wakes = Wakes::default();
        let mut inner = self.inner.lock();
        if let Some(result) = attempt(&mut inner.state, &mut wakes) {
            self.wake(inner, wakes);
            return Ok(result);
        }
        if seeded("a monitor's queue is entered after the lock was gone") {
            drop(inner);
            inner = self.inner.lock();
        }
        me.set_queued(true);
        inner.queue(side).push_back(me.clone());
        drop(inner);
        self.wait_queued(me, side, attempt, pause)
    }

    /// The rest of [`wait`](Self::wait): `me` stands in the queue of its side.
    #[inline(never)]
    fn wait_queued<R>(
        &self,
        me: &W,
        side: Side,
        mut attempt: impl FnMut(&mut S, &mut Wakes) -> Option<R>,
        mut pause: impl FnMut() -> Pause,
    ) -> Result<R, Stopped> {
        loop {
            let stopped = loop {
                match pause() {
                    Pause::Again if me.is_queued() => {}
                    Pause::Again => break None,
                    Pause::TimedOut => break Some(Stopped::TimedOut),
                    Pause::Interrupted => break Some(Stopped::Interrupted),
                }
            };
            if let Some(stopped) = stopped {
                return self.stop(me, side, stopped, attempt);
            }
            let mut wakes = Wakes::default();
            let mut inner = self.inner.lock();
            if let Some(result) = attempt(&mut inner.state, &mut wakes) {
                self.wake(inner, wakes);
                return Ok(result);
            }
            me.set_queued(true);
            inner.queue(side).push_front(me.clone());
        }
    }

    /// The wait of `me` is over.
    #[cold]
    fn stop<R>(
        &self,
        me: &W,
        side: Side,
        stopped: Stopped,
        mut attempt: impl FnMut(&mut S, &mut Wakes) -> Option<R>,
    ) -> Result<R, Stopped> {
        let mut wakes = Wakes::default();
        let mut inner = self.inner.lock();
        if me.is_queued() {
            let own = inner.queue(side).take_first(|who| who.is_same(me));
            assert!(own.is_some(), "invariant: a queued thread is in its queue");
            me.set_queued(false);
            return Err(stopped);
        }
        if seeded("a stopped waiter keeps its wake-up") {
            return Err(stopped);
        }
        let result = match stopped {
            Stopped::TimedOut => attempt(&mut inner.state, &mut wakes),
            Stopped::Interrupted => None,
        };
        if result.is_none() {
            match side {
                Side::Takers => wakes.takers = wakes.takers.max(1),
                Side::Givers => wakes.givers = wakes.givers.max(1),
            }
        }
        self.wake(inner, wakes);
        result.ok_or(stopped)
    }

    /// Takes out one waiter while the lock is held, wakes it without the lock, and then the others.
    #[inline]
    fn wake(&self, mut inner: SpinGuard<'_, Inner<S, W>>, wakes: Wakes) {
        let (first, rest) = if wakes.takers > 0
            && let Some(taker) = inner.takers.pop_front()
        {
            (taker, (wakes.takers - 1, wakes.givers))
        } else if wakes.givers > 0
            && let Some(giver) = inner.givers.pop_front()
        {
            (giver, (0, wakes.givers - 1))
        } else {
            return;
        };
        first.set_queued(false);
        drop(inner);
        first.wake();
        if rest != (0, 0) {
            self.wake_more(rest);
        }
    }

    #[cold]
    fn wake_more(&self, (takers, givers): (usize, usize)) {
        // No more than wait now: a thread that comes back meanwhile must not keep this going.
        let (takers, givers) = {
            let inner = self.inner.lock();
            let count = |list: &List<W, WaitLink>, most| list.count(|_| true).min(most);
            (count(&inner.takers, takers), count(&inner.givers, givers))
        };
        for (side, count) in [(Side::Takers, takers), (Side::Givers, givers)] {
            for _ in 0..count {
                let mut inner = self.inner.lock();
                let Some(who) = inner.queue(side).pop_front() else {
                    break;
                };
                who.set_queued(false);
                drop(inner);
                who.wake();
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
pub(crate) mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::{futex::FutexKey, list::Linked};

    /// A thread that never stops: its pauses are closures of the tests.
    #[derive(Default)]
    pub(crate) struct Fake {
        queued: AtomicBool,
        pub(crate) wakes: AtomicUsize,
        next: SpinLock<Option<Arc<Fake>>>,
    }
    impl Linked<WaitLink> for Arc<Fake> {
        fn next(&self) -> Option<Self> {
            self.next.lock().clone()
        }
        fn set_next(&self, next: Option<Self>) {
            *self.next.lock() = next;
        }
    }
    impl Waiter for Arc<Fake> {
        fn wake(&self) {
            self.wakes.fetch_add(1, Ordering::SeqCst);
        }
        fn set_queued(&self, queued: bool) {
            self.queued.store(queued, Ordering::SeqCst);
        }
        fn is_queued(&self) -> bool {
            self.queued.load(Ordering::SeqCst)
        }
        fn set_key(&self, _: FutexKey) {}
        fn key(&self) -> FutexKey {
            unreachable!("there is one queue a side")
        }
        fn is_same(&self, other: &Self) -> bool {
            Arc::ptr_eq(self, other)
        }
    }

    fn take(state: &mut u32, _: &mut Wakes) -> Option<u32> {
        *state = state.checked_sub(1)?;
        Some(*state)
    }

    fn post(monitor: &Monitor<u32, Arc<Fake>>, count: u32) {
        monitor.with(|state, wakes| {
            *state += count;
            wakes.takers = count as usize;
        });
    }

    #[test]
    fn waits_only_if_the_first_try_fails() {
        let monitor = Monitor::new(1);
        let me = Arc::new(Fake::default());
        let no_wait = || panic!("no wait");
        assert_eq!(monitor.wait(&me, Side::Takers, take, no_wait), Ok(0));
        let late = || {
            post(&monitor, 1);
            Pause::Again
        };
        assert_eq!(monitor.wait(&me, Side::Takers, take, late), Ok(0));
        assert_eq!(me.wakes.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_stale_token_is_no_wake_up() {
        let monitor = Monitor::new(0);
        let me = Arc::new(Fake::default());
        let mut pauses = 0;
        let pause = || {
            pauses += 1;
            if pauses == 3 {
                post(&monitor, 1);
            }
            Pause::Again
        };
        assert_eq!(monitor.wait(&me, Side::Takers, take, pause), Ok(0));
        assert_eq!(pauses, 3);
    }

    #[test]
    fn who_came_too_late_for_its_wake_up_waits_at_the_front() {
        let monitor = Monitor::new(0);
        let (me, second) = (Arc::new(Fake::default()), Arc::new(Fake::default()));
        let mut pauses = 0;
        let end = monitor.wait(&me, Side::Takers, take, || {
            pauses += 1;
            if pauses == 1 {
                // Woken, but another thread takes it; and a second one waits meanwhile.
                post(&monitor, 1);
                assert_eq!(monitor.with(take), Some(0));
                let mut inner = monitor.inner.lock();
                second.set_queued(true);
                inner.takers.push_back(Arc::clone(&second));
            } else {
                post(&monitor, 1);
            }
            Pause::Again
        });
        assert_eq!((end, pauses), (Ok(0), 2));
        assert!(second.is_queued(), "the second one waits on");
    }

    #[test]
    fn a_wake_up_at_the_deadline_is_used() {
        let monitor = Monitor::new(0);
        let me = Arc::new(Fake::default());
        let late = || {
            post(&monitor, 1);
            Pause::TimedOut
        };
        assert_eq!(monitor.wait(&me, Side::Takers, take, late), Ok(0));
        let end = monitor.wait(&me, Side::Givers, take, || Pause::TimedOut);
        assert_eq!(end, Err(Stopped::TimedOut));
        assert!(!me.is_queued());
    }

    #[test]
    fn who_must_leave_hands_its_wake_up_on() {
        let monitor = Monitor::new(0);
        let (me, next) = (Arc::new(Fake::default()), Arc::new(Fake::default()));
        let end = monitor.wait(&me, Side::Takers, take, || {
            next.set_queued(true);
            monitor.inner.lock().takers.push_back(Arc::clone(&next));
            post(&monitor, 1);
            assert!(!me.is_queued() && next.is_queued());
            Pause::Interrupted
        });
        assert_eq!(end, Err(Stopped::Interrupted));
        assert!(!next.is_queued(), "the next one has been woken");
        assert_eq!(monitor.with(take), Some(0), "nothing was taken");
    }
}
