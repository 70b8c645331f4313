//! A call: one job from its submission to its outcome, shared by the pool and the job's handle.
//!
//! # States
//! * `Open`: queued or with a worker; the handle may leave a waker.
//! * `Detached`: as `Open`, and the handle is gone.
//! * `Done`: the outcome lies here. Entered once, by whoever has learnt it.
//! * `Taken`: somebody has it: the handle, or who tells of an error that nobody joins.
//!
//! Where the call is (in the queue, or in which slot) is the pool's to know, under its lock.
//!
//! # Why nothing is lost
//! Outcome and waker meet under one lock: either the completer finds the waker, or the handle finds
//! the outcome. So do outcome and the handle's drop: exactly one of the two sides has the outcome of a
//! job that nobody joins, and tells of it where it is an error. Wakers are cloned, called and dropped outside of it, since they are user code.

use core::{mem, task::Waker, time::Duration};

use exec_core::{
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    unwind,
    wait::Completion,
};

use crate::error::JobError;

/// What became of a job: the bytes of its result, or why there are none.
pub(crate) type Outcome = Result<Vec<u8>, JobError>;

/// A call that is in no slot.
const NOWHERE: usize = usize::MAX;

#[derive(Debug)]
enum State {
    Open(Option<Waker>),
    Detached,
    Done(Outcome),
    Taken,
}

/// One job.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its number, which only grows from one to the next.
    pub(crate) id: u64,
    /// The function's name.
    pub(crate) name: &'static str,
    /// What is sent to the worker.
    pub(crate) frame: Vec<u8>,
    /// How long it may run.
    pub(crate) limit: Option<Duration>,
    /// How often a worker died that it was sent to and that had not begun it.
    retries: AtomicU32,
    /// The slot it is in; written under the pool's lock.
    slot: AtomicUsize,
    state: Mutex<State>,
}

impl Call {
    pub(crate) fn new(
        id: u64,
        name: &'static str,
        frame: Vec<u8>,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            id,
            name,
            frame,
            limit,
            retries: AtomicU32::new(0),
            slot: AtomicUsize::new(NOWHERE),
            state: Mutex::new(State::Open(None)),
        }
    }

    /// The slot it is in, to be asked under the pool's lock.
    pub(crate) fn slot(&self) -> Option<usize> {
        // ORDERING: the pool's lock orders it.
        Some(self.slot.load(Relaxed)).filter(|slot| *slot != NOWHERE)
    }

    /// Notes where it is, under the pool's lock.
    pub(crate) fn put(&self, slot: Option<usize>) {
        // ORDERING: the pool's lock orders it.
        self.slot.store(slot.unwrap_or(NOWHERE), Relaxed);
    }

    /// Counts one more try, and returns how many there were.
    pub(crate) fn retry(&self) -> u32 {
        // ORDERING: only the supervisor asks.
        self.retries.fetch_add(1, Relaxed) + 1
    }

    /// Says that nobody will join it; the outcome, if it was there already.
    pub(crate) fn detach(&self) -> Option<Outcome> {
        let former = {
            let mut state = self.state.lock();
            let next = match *state {
                State::Open(_) | State::Detached => State::Detached,
                State::Done(_) | State::Taken => State::Taken,
            };
            mem::replace(&mut *state, next)
        };
        match former {
            State::Done(outcome) => Some(outcome),
            // The waker, if any, is dropped here, outside of the lock.
            State::Open(_) | State::Detached | State::Taken => None,
        }
    }

    /// Takes the outcome, once.
    pub(crate) fn take(&self) -> Option<Outcome> {
        let mut state = self.state.lock();
        if !matches!(*state, State::Done(_)) {
            return None;
        }
        match mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Some(outcome),
            State::Open(_) | State::Detached | State::Taken => None,
        }
    }

    /// Lays the outcome down; what is left to do is the caller's, without any lock, since wakers
    /// and handlers are user code.
    #[must_use]
    pub(crate) fn complete(&self, outcome: Outcome) -> Settled {
        let mut state = self.state.lock();
        match &mut *state {
            State::Open(waker) => {
                let waker = waker.take();
                *state = State::Done(outcome);
                waker.map_or(Settled::Over, Settled::Wake)
            }
            State::Detached => {
                *state = State::Taken;
                outcome.map_or_else(Settled::Tell, |_| Settled::Over)
            }
            State::Done(_) | State::Taken => {
                debug_assert!(false, "invariant: a call is completed once");
                Settled::Over
            }
        }
    }
}

/// What is left to do for a call that is complete.
#[derive(Debug)]
pub(crate) enum Settled {
    /// Nothing.
    Over,
    /// To wake who waits.
    Wake(Waker),
    /// To tell of the error, which nobody will join.
    Tell(JobError),
}

impl Settled {
    /// Wakes who waits; a waker may panic.
    pub(crate) fn wake(waker: Waker) {
        let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
    }
}

impl Completion for Call {
    fn is_done(&self) -> bool {
        !matches!(*self.state.lock(), State::Open(_) | State::Detached)
    }

    fn subscribe(&self, waker: &Waker) -> bool {
        let mut new = Some(waker.clone());
        let (done, _former) = {
            let mut state = self.state.lock();
            match &mut *state {
                State::Open(kept) => (false, mem::replace(kept, new.take())),
                State::Detached => (false, None),
                State::Done(_) | State::Taken => (true, None),
            }
        };
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new(1, "f", Vec::new(), None)
    }

    #[test]
    fn an_outcome_is_taken_once_and_wakes() {
        let call = call();
        let (waker, woken) = counting_waker();
        assert!(!call.subscribe(&waker) && !call.is_done());
        assert_eq!(call.take(), None);
        let Settled::Wake(found) = call.complete(Ok(vec![1])) else {
            panic!("somebody waits");
        };
        assert!(call.is_done(), "before anybody is woken");
        Settled::wake(found);
        assert_eq!(woken.load(Relaxed), 1);
        assert!(call.subscribe(&waker));
        assert_eq!(call.take(), Some(Ok(vec![1])));
        assert_eq!(call.take(), None);
    }

    #[test]
    fn an_outcome_that_nobody_joins_is_somebodys_once() {
        let (before, after) = (call(), call());
        assert_eq!(before.detach(), None);
        assert!(!before.is_done());
        let settled = before.complete(Err(JobError::Garbled));
        assert!(matches!(settled, Settled::Tell(JobError::Garbled)));
        assert_eq!((before.take(), before.detach()), (None, None));
        let settled = after.complete(Err(JobError::Garbled));
        assert!(matches!(settled, Settled::Over));
        assert_eq!(after.detach(), Some(Err(JobError::Garbled)));
        assert_eq!((after.take(), after.detach()), (None, None));
    }

    fn counting_waker() -> (Waker, std::sync::Arc<AtomicUsize>) {
        struct Count(std::sync::Arc<AtomicUsize>);
        impl std::task::Wake for Count {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let woken = std::sync::Arc::new(AtomicUsize::new(0));
        (std::sync::Arc::new(Count(woken.clone())).into(), woken)
    }
}
