//! A call: one job from its submission to its outcome, shared by the pool and the job's handle.
//!
//! # States
//! * `Open`: queued or with a worker; the handle may leave a waker.
//! * `Done`: the outcome lies here. Entered once, by whoever has learnt it.
//! * `Taken`: the handle has it.
//!
//! Where the call is (in the queue, or in which slot) is the pool's to know, under its lock.
//!
//! # Why nothing is lost
//! Outcome and waker meet under one lock: either the completer finds the waker, or the handle finds
//! the outcome. Wakers are cloned, called and dropped outside of it, since they are user code.

use core::{mem, task::Waker, time::Duration};

use exec_core::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
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
    /// Nobody will join it.
    detached: AtomicBool,
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
            detached: AtomicBool::new(false),
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

    /// Says that nobody will join it.
    pub(crate) fn detach(&self) {
        // ORDERING: the completer that misses it has completed a job that was still joined.
        self.detached.store(true, Relaxed);
    }

    /// Whether nobody will join it.
    pub(crate) fn is_detached(&self) -> bool {
        // ORDERING: see `detach`.
        self.detached.load(Relaxed)
    }

    /// Takes the outcome, once.
    pub(crate) fn take(&self) -> Option<Outcome> {
        let mut state = self.state.lock();
        if !matches!(*state, State::Done(_)) {
            return None;
        }
        match mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Some(outcome),
            State::Open(_) | State::Taken => None,
        }
    }

    /// Lays the outcome down and wakes whoever waits. Not under a lock: wakers are user code.
    pub(crate) fn complete(&self, outcome: Outcome) {
        let former = {
            let mut state = self.state.lock();
            match *state {
                State::Open(_) => mem::replace(&mut *state, State::Done(outcome)),
                State::Done(_) | State::Taken => {
                    debug_assert!(false, "invariant: a call is completed once");
                    return;
                }
            }
        };
        if let State::Open(Some(waker)) = former {
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
    }
}

impl Completion for Call {
    fn is_done(&self) -> bool {
        !matches!(*self.state.lock(), State::Open(_))
    }

    fn subscribe(&self, waker: &Waker) -> bool {
        let mut new = Some(waker.clone());
        let (done, _former) = {
            let mut state = self.state.lock();
            match &mut *state {
                State::Open(kept) => (false, mem::replace(kept, new.take())),
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
        call.complete(Ok(vec![1]));
        assert_eq!(woken.load(Relaxed), 1);
        assert!(call.is_done() && call.subscribe(&waker));
        assert_eq!(call.take(), Some(Ok(vec![1])));
        assert_eq!(call.take(), None);
    }

    #[test]
    fn a_waker_that_panics_takes_nobody_along() {
        struct Bad;
        impl std::task::Wake for Bad {
            fn wake(self: std::sync::Arc<Self>) {
                panic!("a waker's panic");
            }
        }
        let call = call();
        assert!(!call.subscribe(&std::sync::Arc::new(Bad).into()));
        call.complete(Err(JobError::Cancelled));
        assert_eq!(call.take(), Some(Err(JobError::Cancelled)));
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
