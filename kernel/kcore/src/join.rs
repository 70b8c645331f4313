//! Who gets the exit code of a thread: exactly one joiner, the full 32 bits.
//!
//! # States
//! - `Vacant`: the tid in the cell has been joined or never been given out.
//! - `Running`: the thread lives, nobody waits. `Awaited`: it lives, one joiner waits.
//! - `Detached`: it lives, nobody may join; its end makes the cell vacant.
//! - `Exited`: it has ended, the code is here for the first who asks.
//! - `Claimed`: it has ended, the code is here for the joiner that was waiting, and for no other.
//!
//! # Protocol
//! The thread: [`exit`](JoinCell::exit), once, as its last act, and what is recorded of
//! the end before it. A joiner: [`join`](JoinCell::join).
//! The first one to find `Running` or `Exited` wins; whoever comes while the cell is `Awaited` or
//! `Claimed`, or after the code has gone, gets [`JoinError::Taken`]. Without `Claimed`, a late joiner
//! could take the code between the wake-up of the waiting one and its next look, and leave it waiting
//! for ever on a cell that may have the next thread by then. The tid in the cell is checked under the
//! cell's lock, so a tid kept too long never meets the next thread of the same slot. If the code
//! cannot be handed on (a bad address), [`put_back`](JoinCell::put_back) makes it joinable again.
//!
//! # Why nothing is lost
//! `exit` and the registration of the joiner change the state under one lock: either the joiner
//! comes first and `exit` finds it, or `exit` comes first and the joiner finds the code. The
//! wake-up itself may come before the joiner has stopped; the parking word holds it.

use crate::{
    park::{Pause, Waiter},
    sync::{SpinLock, seeded},
    tid::Tid,
};

/// Why a join gave no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// No thread of this group has or had the tid.
    NoSuchThread,
    /// Another joiner waits for it or has the code, or the thread is detached.
    Taken,
    /// The joiner has to leave; the thread can be joined by another.
    Interrupted,
}

#[derive(Debug)]
enum State<W> {
    Vacant,
    Running,
    Awaited(W),
    Detached,
    Exited(i32),
    Claimed(i32),
}

#[derive(Debug)]
struct Inner<W> {
    /// The last tid given out for this cell.
    tid: Option<Tid>,
    /// The process the tid belongs to: only its threads may join.
    group: u32,
    state: State<W>,
}

/// The meeting point of one thread and its joiner.
#[derive(Debug)]
pub struct JoinCell<W> {
    inner: SpinLock<Inner<W>>,
}

impl<W: Waiter> JoinCell<W> {
    /// A vacant cell.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            inner: SpinLock::new(Inner::VACANT),
        }
    }

    /// A vacant cell.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: SpinLock::new(Inner::VACANT),
        }
    }

    /// Gives the cell to a new thread of `group`.
    ///
    /// # Panics
    /// If the cell is not vacant: the tid allocator gave one slot to two threads.
    pub fn open(&self, tid: Tid, group: u32) {
        let mut inner = self.inner.lock();
        assert!(
            matches!(inner.state, State::Vacant),
            "invariant: a cell has one thread"
        );
        *inner = Inner {
            tid: Some(tid),
            group,
            state: State::Running,
        };
    }

    /// Ends the thread: leaves the code and wakes the joiner. Whatever shall be known of the end by
    /// then is done by `record`, before anybody can know of it.
    ///
    /// Returns true if the thread was detached, so that its tid is free at once.
    #[must_use]
    #[inline]
    pub fn exit(&self, code: i32, record: impl FnOnce()) -> bool {
        if seeded("the end is recorded after it is known") {
            let detached = self.leave_code(code);
            record();
            return detached;
        }
        record();
        self.leave_code(code)
    }

    fn leave_code(&self, code: i32) -> bool {
        let mut inner = self.inner.lock();
        let awaited = match core::mem::replace(&mut inner.state, State::Exited(code)) {
            State::Running => None,
            State::Awaited(joiner) => {
                if !seeded("a late joiner takes the code") {
                    inner.state = State::Claimed(code);
                }
                Some(joiner)
            }
            State::Detached => {
                inner.state = State::Vacant;
                return !seeded("exit of a detached thread keeps its tid");
            }
            State::Vacant | State::Exited(_) | State::Claimed(_) => {
                panic!("invariant: a thread exits once")
            }
        };
        drop(inner);
        if let Some(joiner) = awaited
            && !seeded("exit wakes nobody")
        {
            joiner.wake();
        }
        false
    }

    /// Waits for the thread `tid` of `group` to end and takes its code.
    ///
    /// `pause` stops the caller until its next token.
    ///
    /// # Errors
    /// See [`JoinError`]. Nothing is consumed then.
    ///
    /// # Blocking
    /// Until the thread exits or `pause` says that the caller has to leave.
    pub fn join(
        &self,
        tid: Tid,
        group: u32,
        me: &W,
        mut pause: impl FnMut() -> Pause,
    ) -> Result<i32, JoinError> {
        {
            let mut inner = self.inner.lock();
            inner.check(tid, group)?;
            match inner.state {
                State::Exited(code) => {
                    inner.state = State::Vacant;
                    return Ok(code);
                }
                State::Running => inner.state = State::Awaited(me.clone()),
                State::Awaited(_) | State::Claimed(_) | State::Detached | State::Vacant => {
                    return Err(JoinError::Taken);
                }
            }
        }
        loop {
            let pause = pause();
            let mut inner = self.inner.lock();
            match inner.state {
                State::Claimed(code) => {
                    inner.state = State::Vacant;
                    return Ok(code);
                }
                State::Awaited(_) if pause == Pause::Again => {}
                State::Awaited(_) => {
                    inner.state = State::Running;
                    return Err(JoinError::Interrupted);
                }
                _ => panic!("invariant: a cell waits for its one joiner"),
            }
        }
    }

    /// Takes back a code that could not be handed to the joiner.
    ///
    /// To be called by the joiner that got it, before the tid is given up.
    pub fn put_back(&self, tid: Tid, code: i32) {
        let mut inner = self.inner.lock();
        assert!(
            inner.tid == Some(tid) && matches!(inner.state, State::Vacant),
            "invariant: only the joiner that has the code puts it back"
        );
        inner.state = State::Exited(code);
    }

    /// Empties the cell if it holds the code of an ended thread of `group`, whose threads have all
    /// ended; returns the tid, which is free.
    pub fn abandon(&self, group: u32) -> Option<Tid> {
        let mut inner = self.inner.lock();
        if inner.group != group || !matches!(inner.state, State::Exited(_)) {
            return None;
        }
        inner.state = State::Vacant;
        inner.tid
    }

    /// Gives up the right to join; true if the thread has already ended, so that its tid is free.
    ///
    /// # Errors
    /// As for [`join`](Self::join).
    pub fn detach(&self, tid: Tid, group: u32) -> Result<bool, JoinError> {
        let mut inner = self.inner.lock();
        inner.check(tid, group)?;
        match inner.state {
            State::Running => inner.state = State::Detached,
            State::Exited(_) => {
                inner.state = State::Vacant;
                return Ok(true);
            }
            State::Awaited(_) | State::Claimed(_) | State::Detached | State::Vacant => {
                return Err(JoinError::Taken);
            }
        }
        Ok(false)
    }
}

impl<W> Inner<W> {
    const VACANT: Self = Self {
        tid: None,
        group: 0,
        state: State::Vacant,
    };

    /// Whether `tid` is or was this cell's.
    fn check(&self, tid: Tid, group: u32) -> Result<(), JoinError> {
        match self.tid {
            Some(mine) if mine == tid && self.group == group => Ok(()),
            Some(mine) if tid.is_older_than(mine) => Err(JoinError::Taken),
            _ => Err(JoinError::NoSuchThread),
        }
    }
}

impl<W: Waiter> Default for JoinCell<W> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{
        futex::FutexKey,
        list::{Linked, WaitLink},
        tid::TidAllocator,
    };

    #[derive(Clone)]
    struct Nobody;
    impl Linked<WaitLink> for Nobody {
        fn next(&self) -> Option<Self> {
            None
        }
        fn set_next(&self, _: Option<Self>) {}
    }
    impl Waiter for Nobody {
        fn wake(&self) {}
        fn set_queued(&self, _: bool) {}
        fn is_queued(&self) -> bool {
            false
        }
        fn set_key(&self, _: FutexKey) {}
        fn key(&self) -> FutexKey {
            FutexKey {
                space: 0,
                address: 0,
            }
        }
        fn is_same(&self, _: &Self) -> bool {
            true
        }
    }

    fn never() -> Pause {
        panic!("this join must not wait")
    }

    #[test]
    fn the_code_is_given_once_and_in_full() {
        let mut tids = TidAllocator::<1>::new();
        let tid = tids.allocate().unwrap();
        let cell = JoinCell::new();
        cell.open(tid, 7);
        assert!(!cell.exit(i32::MIN, || ()));
        assert_eq!(
            cell.join(tid, 8, &Nobody, never),
            Err(JoinError::NoSuchThread)
        );
        assert_eq!(cell.join(tid, 7, &Nobody, never), Ok(i32::MIN));
        assert_eq!(cell.join(tid, 7, &Nobody, never), Err(JoinError::Taken));
    }

    #[test]
    fn an_old_tid_never_meets_the_next_thread() {
        let mut tids = TidAllocator::<1>::new();
        let old = tids.allocate().unwrap();
        let cell = JoinCell::new();
        cell.open(old, 1);
        assert!(!cell.exit(1, || ()));
        assert_eq!(cell.join(old, 1, &Nobody, never), Ok(1));
        tids.free(old);
        let new = tids.allocate().unwrap();
        assert_eq!(
            cell.join(new, 1, &Nobody, never),
            Err(JoinError::NoSuchThread)
        );
        cell.open(new, 1);
        assert!(!cell.exit(2, || ()));
        assert_eq!(cell.join(old, 1, &Nobody, never), Err(JoinError::Taken));
        assert_eq!(cell.join(new, 1, &Nobody, never), Ok(2));
    }

    #[test]
    fn a_second_joiner_is_refused_while_the_first_waits() {
        let mut tids = TidAllocator::<1>::new();
        let tid = tids.allocate().unwrap();
        let cell = JoinCell::new();
        cell.open(tid, 1);
        let first = cell.join(tid, 1, &Nobody, || {
            assert_eq!(cell.join(tid, 1, &Nobody, never), Err(JoinError::Taken));
            assert!(!cell.exit(-5, || ()));
            // Not even now: the code is the first one's.
            assert_eq!(cell.join(tid, 1, &Nobody, never), Err(JoinError::Taken));
            Pause::Again
        });
        assert_eq!(first, Ok(-5));
    }

    #[test]
    fn an_interrupted_joiner_leaves_the_thread_joinable() {
        let mut tids = TidAllocator::<1>::new();
        let tid = tids.allocate().unwrap();
        let cell = JoinCell::new();
        cell.open(tid, 1);
        assert_eq!(
            cell.join(tid, 1, &Nobody, || Pause::Interrupted),
            Err(JoinError::Interrupted)
        );
        assert!(!cell.exit(3, || ()));
        assert_eq!(cell.join(tid, 1, &Nobody, never), Ok(3));
        cell.put_back(tid, 3);
        assert_eq!(cell.join(tid, 1, &Nobody, never), Ok(3));
    }

    #[test]
    fn a_code_that_nobody_can_ask_for_is_abandoned() {
        let mut tids = TidAllocator::<1>::new();
        let tid = tids.allocate().unwrap();
        let cell = JoinCell::<Nobody>::new();
        cell.open(tid, 1);
        assert_eq!(cell.abandon(1), None, "the thread lives");
        assert!(!cell.exit(3, || ()));
        assert_eq!(cell.abandon(2), None, "another process's");
        assert_eq!(cell.abandon(1), Some(tid));
        assert_eq!(cell.abandon(1), None);
    }

    #[test]
    fn a_detached_thread_frees_its_tid_itself() {
        let mut tids = TidAllocator::<1>::new();
        let tid = tids.allocate().unwrap();
        let cell = JoinCell::new();
        cell.open(tid, 1);
        assert_eq!(cell.detach(tid, 1), Ok(false));
        assert_eq!(cell.join(tid, 1, &Nobody, never), Err(JoinError::Taken));
        assert!(cell.exit(9, || ()));
        assert_eq!(cell.detach(tid, 1), Err(JoinError::Taken));
    }
}
