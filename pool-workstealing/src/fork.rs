//! The second half of a join: a frame on the stack of the worker that waits for it.
//!
//! # States
//! `PENDING` from the start; `PARKED` while the owner sleeps on it; `DONE` when the thief has
//! written the result; `RETURNED` when a thief gave the job back unrun.
//!
//! # Protocol
//! The owner pushes a pointer to the frame and runs the first half. If its pop brings the job
//! back, it calls the closure itself, and none of the states matters. Otherwise it waits for
//! `DONE` or `RETURNED`. A thief writes its index, runs the closure, writes the result, and
//! swaps in `DONE`; when it finds `PARKED`, it unparks the owner.
//!
//! # Why nothing is lost
//! The frame outlives the job because the owner leaves it only after its pop succeeded or a
//! final state is there, also while it unwinds ([`join`](fn@crate::join)). The thief reads who
//! the owner is before the swap: after it, the frame may be gone.

use std::mem::MaybeUninit;

use exec_core::{
    sync::{
        UnsafeCell,
        atomic::{
            AtomicU32,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    unwind::{self, Payload},
};

use crate::{sleep::Sleep, worker::Worker};

const PENDING: u32 = 0;
const PARKED: u32 = 1;
const DONE: u32 = 2;
const RETURNED: u32 = 3;

/// What the owner of a stolen job has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Outcome {
    /// The result is in the frame.
    Done,
    /// The job came back: run it.
    Returned,
}

/// What a thief sees of a frame.
#[repr(C)]
pub(crate) struct Fork {
    execute: unsafe fn(*const Fork, &Worker),
    state: AtomicU32,
    /// The thief's index plus one, once it has started; a hint for the owner.
    thief: AtomicU32,
    /// The owner's index.
    owner: u32,
}

impl Fork {
    /// The final state, if it is there.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // ORDERING: pairs with the AcqRel of `end`: the result is seen.
        match self.state.load(Acquire) {
            DONE => Some(Outcome::Done),
            RETURNED => Some(Outcome::Returned),
            _ => None,
        }
    }

    /// The thief, if it is known.
    pub(crate) fn thief(&self) -> Option<usize> {
        (self.thief.load(Relaxed) as usize).checked_sub(1)
    }

    /// Owner: says that it will park; `false` when the job has ended.
    pub(crate) fn begin_park(&self) -> bool {
        self.state
            .compare_exchange(PENDING, PARKED, Relaxed, Relaxed)
            .is_ok()
    }

    /// Owner: whether the job still runs and the owner is marked as parked.
    pub(crate) fn is_parked(&self) -> bool {
        // ORDERING: as `outcome`.
        self.state.load(Acquire) == PARKED
    }

    /// Owner: is awake again.
    pub(crate) fn end_park(&self) {
        // A failure means that the job has ended, which `outcome` tells.
        let _ = self
            .state
            .compare_exchange(PARKED, PENDING, Relaxed, Relaxed);
    }

    /// Sets a final state and wakes the owner.
    ///
    /// # Safety
    /// `this` is a live frame whose job the caller took out of a deque; not used afterwards.
    unsafe fn end(this: *const Self, state: u32, sleep: &Sleep) {
        // SAFETY: live until the swap.
        let fork = unsafe { &*this };
        let owner = fork.owner as usize;
        // ORDERING: Release publishes the result to `outcome`.
        if fork.state.swap(state, AcqRel) == PARKED {
            sleep.unpark(owner);
        }
    }

    /// Thief: runs the job.
    ///
    /// # Safety
    /// `this` came out of a deque, and this is the one use of it.
    pub(crate) unsafe fn run(this: *const Self, worker: &Worker) {
        let execute = {
            // SAFETY: the owner waits until the job has ended.
            let fork = unsafe { &*this };
            fork.thief.store(worker.index() as u32 + 1, Relaxed);
            fork.execute
        };
        // SAFETY: as above; the frame is the one that `execute` was made for.
        unsafe { execute(this, worker) };
    }

    /// Thief: gives the job back to its owner, unrun.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    pub(crate) unsafe fn give_back(this: *const Self, sleep: &Sleep) {
        // SAFETY: by the caller.
        unsafe { Self::end(this, RETURNED, sleep) };
    }
}

/// The whole frame: what thieves see, the closure, and the place for the result.
#[repr(C)]
pub(crate) struct Frame<F, R> {
    head: Fork,
    /// The one who took the job out of the deque may move it out, once.
    body: UnsafeCell<MaybeUninit<F>>,
    /// The thief's until `DONE`, the owner's afterwards.
    result: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
}

impl<F, R> Frame<F, R>
where
    F: FnOnce(&Worker, bool) -> R + Send,
    R: Send,
{
    #[inline]
    pub(crate) fn new(body: F, owner: usize) -> Self {
        Self {
            head: Fork {
                execute: Self::execute,
                state: AtomicU32::new(PENDING),
                thief: AtomicU32::new(0),
                owner: owner as u32,
            },
            body: UnsafeCell::new(MaybeUninit::new(body)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    #[inline]
    pub(crate) fn head(&self) -> &Fork {
        &self.head
    }

    /// The pointer for the deque; it reaches the whole frame.
    #[inline]
    pub(crate) fn as_job(&self) -> *mut Fork {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Moves the closure out.
    ///
    /// # Safety
    /// The caller has taken the job out of the deque, or it was returned; called once.
    #[inline]
    pub(crate) unsafe fn take_body(&self) -> F {
        // SAFETY: by the caller, nobody else touches the body any more.
        self.body.with(|body| unsafe { body.cast::<F>().read() })
    }

    /// Moves the result out.
    ///
    /// # Safety
    /// The outcome was [`Outcome::Done`]; called once.
    pub(crate) unsafe fn take_result(&self) -> Result<R, Payload> {
        // SAFETY: the thief wrote it before `DONE` and does not touch the frame any more.
        self.result
            .with(|result| unsafe { result.cast::<Result<R, Payload>>().read() })
    }

    unsafe fn execute(this: *const Fork, worker: &Worker) {
        {
            // SAFETY: `head` is the first field of the frame that `as_job` gave the pointer of.
            let frame = unsafe { &*this.cast::<Self>() };
            // SAFETY: the caller took the job out of a deque.
            let body = unsafe { frame.take_body() };
            let result = unwind::catch(|| body(worker, true));
            frame.result.with_mut(|place| {
                // SAFETY: the result is the thief's until `DONE`.
                unsafe { (*place).write(result) };
            });
        }
        // SAFETY: live until the swap, and not used after it.
        unsafe { Fork::end(this, DONE, worker.sleep()) };
    }
}
