//! The second half of a join: a frame on the stack of the worker that waits for it.
//!
//! # Protocol
//! The owner pushes a pointer to the frame and runs the first half. If its pop brings the job
//! back, it calls the closure itself, and the frame's [`Ending`] does not matter. Otherwise it
//! waits for that. A thief writes its index, runs the closure, writes the result, and ends it;
//! where the owner sleeps on it, the thief unparks the owner.
//!
//! # Why nothing is lost
//! The frame outlives the job because the owner leaves it only after its pop succeeded or a
//! final state is there, also while it unwinds ([`join`](fn@crate::join)). The thief reads who
//! the owner is before it ends the half: after that, the frame may be gone.

use std::mem::MaybeUninit;

use exec_core::{
    sync::{
        UnsafeCell,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    unwind::{self, Payload},
};

use crate::{
    ending::{Ending, Outcome},
    sleep::Sleep,
    worker::Worker,
};

/// What a thief sees of a frame.
#[repr(C)]
pub(crate) struct Fork {
    execute: unsafe fn(*const Fork, &Worker),
    pub(crate) ending: Ending,
    /// The thief's index plus one, once it has started; a hint for the owner.
    thief: AtomicU32,
    /// The owner's index.
    owner: u32,
}

impl Fork {
    /// The thief, if it is known.
    pub(crate) fn thief(&self) -> Option<usize> {
        (self.thief.load(Relaxed) as usize).checked_sub(1)
    }

    /// Sets a final state and wakes the owner.
    ///
    /// # Safety
    /// `this` is a live frame whose job the caller took out of a deque; not used afterwards.
    unsafe fn end(this: *const Self, outcome: Outcome, sleep: &Sleep) {
        // SAFETY: live until it has ended.
        let fork = unsafe { &*this };
        let owner = fork.owner as usize;
        if fork.ending.end(outcome) {
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
        unsafe { Self::end(this, Outcome::Returned, sleep) };
    }
}

/// The whole frame: what thieves see, the closure, and the place for the result.
#[repr(C)]
pub(crate) struct Frame<F, R> {
    head: Fork,
    /// The one who took the job out of the deque may move it out, once.
    body: UnsafeCell<MaybeUninit<F>>,
    /// The thief's until it has ended the half, the owner's afterwards.
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
                ending: Ending::new(),
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
        // SAFETY: the thief wrote it before the end and does not touch the frame any more.
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
                // SAFETY: the result is the thief's until the end.
                unsafe { (*place).write(result) };
            });
        }
        // SAFETY: live until it has ended, and not used after it.
        unsafe { Fork::end(this, Outcome::Done, worker.sleep()) };
    }
}
