//! The one job that a worker runs next.
//!
//! # States
//! `EMPTY` → `FULL` by the owner's put; `FULL` → `TAKEN` by whoever takes (owner or thief), who
//! reads the job and goes back to `EMPTY`. The owner does not put into a slot that is `TAKEN`.
//!
//! # Why nothing is lost
//! The way from `FULL` to `TAKEN` is one exchange, so one taker wins; only the owner fills, and
//! only an empty slot, so nothing is overwritten.

use core::mem::MaybeUninit;

use exec_core::{
    Job,
    sync::{
        UnsafeCell,
        atomic::{
            AtomicU8,
            Ordering::{Acquire, Relaxed, Release},
        },
        seeded,
    },
};

const EMPTY: u8 = 0;
const FULL: u8 = 1;
const TAKEN: u8 = 2;

/// See the module head.
pub(crate) struct Slot {
    state: AtomicU8,
    /// Initialised while `FULL`, and while `TAKEN` until the taker has read it.
    job: UnsafeCell<MaybeUninit<Job>>,
}

// SAFETY: the job is written by the owner while `EMPTY` and read by the one that made it `TAKEN`;
// jobs may move between threads.
unsafe impl Sync for Slot {}
// SAFETY: as for `Sync`.
unsafe impl Send for Slot {}

impl Slot {
    /// An empty slot.
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            job: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts a job into an empty slot.
    ///
    /// # Errors
    /// The job, when the slot is full or a thief is still reading it.
    ///
    /// # Safety
    /// Only one thread, the owner, ever calls this.
    #[inline]
    pub(crate) unsafe fn put(&self, job: Job) -> Result<(), Job> {
        // ORDERING: Acquire pairs with the Release of `take`: the former job has been read.
        let empty = match self.state.load(Acquire) {
            EMPTY => true,
            TAKEN => seeded("slot: put does not wait for the reader"),
            _ => false,
        };
        if !empty {
            return Err(job);
        }
        // SAFETY: empty, and only this thread fills it.
        self.job
            .with_mut(|slot| unsafe { slot.write(MaybeUninit::new(job)) });
        // ORDERING: Release publishes the job to `take`.
        self.state.store(FULL, Release);
        Ok(())
    }

    /// Takes the job, from any thread.
    #[inline]
    pub(crate) fn take(&self) -> Option<Job> {
        // ORDERING: a hint: empty is the usual answer and costs no exchange.
        if self.state.load(Relaxed) != FULL {
            return None;
        }
        // ORDERING: Acquire pairs with the Release of `put`.
        self.state
            .compare_exchange(FULL, TAKEN, Acquire, Relaxed)
            .ok()?;
        let job = self.job.with(|slot| {
            // SAFETY: `FULL` said that it is initialised, `TAKEN` that this thread reads it, once.
            unsafe { slot.read() }
        });
        // ORDERING: Release: the read above comes before the next `put`.
        self.state.store(EMPTY, Release);
        // SAFETY: initialised, as above.
        Some(unsafe { job.assume_init() })
    }

    /// Whether there is a job, as a hint.
    pub(crate) fn is_full(&self) -> bool {
        self.state.load(Relaxed) == FULL
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.take());
    }
}
