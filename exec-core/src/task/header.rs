//! The state word and the joiner's waker: who may touch what in a cell, and when it is freed.
//!
//! # States
//! | bit | set by | meaning |
//! |---|---|---|
//! | `CLAIMED` | who runs or cancels the body | a closure: its body is taken, for good; a future: it is being polled now |
//! | `SCHEDULED` | a waker, the spawner | (futures) a job for one poll exists |
//! | `CANCEL` | `cancel` | (futures) the next poll drops the future instead |
//! | `COMPLETE` | who claimed the body | the output is in place; never cleared |
//! | `JOIN_WAKER` | the joiner | the waker slot is filled and belongs to the completer |
//! | `HANDLE` | the spawner | the join handle exists; cleared when it goes before `COMPLETE` |
//! | the rest | | a count of references: handle, job, wakers, the owner's list |
//!
//! # Protocol
//! Completer: writes the output, sets `COMPLETE` (release), and looks at what the word was:
//! with `JOIN_WAKER` it takes the waker and wakes; without `HANDLE` the output is nobody's and
//! the completer drops it.
//! Joiner: gets the waker slot back by clearing `JOIN_WAKER`, writes its waker, sets
//! `JOIN_WAKER` again; each step fails when `COMPLETE` is there, and then the output is its own.
//!
//! # Why nothing is lost
//! `JOIN_WAKER` and `COMPLETE` are bits of one word that changes only by read-modify-write. So
//! of "the joiner set its waker" and "the completer completed", the later one sees the former:
//! either the completer finds the waker or the joiner finds the output. The same order decides
//! between the handle's drop and the completion, so exactly one side drops the output.

use core::{ptr::NonNull, task::Waker};

use crate::{
    executor::Ticket,
    job::JobId,
    sync::{
        UnsafeCell,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
            fence,
        },
        seeded,
    },
    unwind,
    wait::{Completion, Waiter},
};

/// The body is taken (closure), or a poll is under way (future).
pub(crate) const CLAIMED: usize = 1 << 0;
/// A job for one poll exists.
pub(crate) const SCHEDULED: usize = 1 << 1;
/// The future is to be dropped at its next turn.
pub(crate) const CANCEL: usize = 1 << 2;
/// The output is in place.
pub(crate) const COMPLETE: usize = 1 << 3;
/// The waker slot is filled and is the completer's.
pub(crate) const JOIN_WAKER: usize = 1 << 4;
/// The join handle exists.
pub(crate) const HANDLE: usize = 1 << 5;
/// One reference.
pub(crate) const REF_ONE: usize = 1 << 6;

/// Whose the output is after a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Output {
    /// The join handle's.
    Joiners,
    /// Nobody's: the completer has to drop it.
    Orphaned,
}

/// What is left to do after the handle has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum HandleDrop {
    /// The output is in place and the handle's: drop it, then release the handle's reference.
    OutputIsYours,
    /// The reference is given up already; `last` says whether to free the cell.
    Released {
        /// It was the last reference.
        last: bool,
    },
}

/// What a scheduled poll has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Start {
    /// Poll the future.
    Poll,
    /// Drop the future.
    Cancel,
}

/// What follows a poll that returned `Pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Idle {
    /// It was woken meanwhile: schedule the next poll with the same reference.
    Again,
    /// It waits; the job's reference is given up, and `last` says whether to free the cell.
    Waiting {
        /// It was the last reference: nobody can ever wake it.
        last: bool,
    },
}

/// What is left to do after a waker has woken and gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum LastWake {
    /// The future waited: make the job, with the waker's reference.
    MakeJob,
    /// A job exists already, or it is complete; the reference is given up, and `last` says whether
    /// to free the cell.
    Released {
        /// It was the last reference.
        last: bool,
    },
}

/// The first field of every cell: what handles and lists need, which do not know its type.
#[repr(C)]
pub(crate) struct Head {
    pub(crate) header: Header,
    pub(crate) vtable: &'static CellVTable,
}

/// What can be asked of a cell; each but `release` needs a reference, which it leaves.
pub(crate) struct CellVTable {
    /// Moves the output of a complete cell, a `Result<T, JoinError>`, to the place given, once.
    /// The handle's.
    pub(crate) take: unsafe fn(NonNull<Head>, *mut ()),
    /// Gives up a reference.
    pub(crate) release: unsafe fn(NonNull<Head>),
    /// Asks for the job not to run (on).
    pub(crate) cancel: unsafe fn(NonNull<Head>) -> bool,
    /// Runs the job on this thread if nobody has started it. The handle's.
    pub(crate) run_here: unsafe fn(NonNull<Head>) -> bool,
    /// The model's waiter. The handle's.
    pub(crate) waiter: unsafe fn(NonNull<Head>) -> &'static dyn Waiter,
    /// The place of the handle's receipt, if the cell has one. The handle's.
    pub(crate) ticket: unsafe fn(NonNull<Head>) -> Option<NonNull<UnsafeCell<Ticket>>>,
}

/// The protocol's part of every cell.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Header {
    state: AtomicUsize,
    /// The joiner's while `JOIN_WAKER` is clear; the completer's once it has set `COMPLETE` and
    /// found `JOIN_WAKER` set.
    waker: UnsafeCell<Option<Waker>>,
}

impl Header {
    /// A header with these bits set.
    pub(crate) fn new(state: usize) -> Self {
        Self {
            state: AtomicUsize::new(state),
            waker: UnsafeCell::new(None),
        }
    }

    /// Takes the one right to the body of a closure; `false` when somebody has it.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        if seeded("claim reads, then writes") {
            let before = self.state.load(Relaxed);
            self.state.fetch_or(CLAIMED, Relaxed);
            return before & CLAIMED == 0;
        }
        // ORDERING: nothing is published by claiming. The body was published by whatever moved
        // the job or the handle to this thread; Relaxed is enough for "exactly one".
        self.state.fetch_or(CLAIMED, Relaxed) & CLAIMED == 0
    }

    /// Whether the body of a closure is taken.
    pub(crate) fn is_claimed(&self) -> bool {
        self.state.load(Relaxed) & CLAIMED != 0
    }

    /// Publishes the output and wakes the joiner.
    pub(crate) fn complete(&self) -> Output {
        if seeded("complete looks before it leaps") {
            let before = self.state.load(Acquire);
            self.state.fetch_or(COMPLETE, AcqRel);
            return self.tell(before);
        }
        // ORDERING: Release publishes the output to `is_complete`, `set_waker` and
        // `drop_handle`; Acquire pairs with the AcqRel of `set_waker`, to read the waker.
        let before = self.state.fetch_or(COMPLETE, AcqRel);
        debug_assert!(before & COMPLETE == 0, "invariant: a cell completes once");
        self.tell(before)
    }

    /// The completer's second half, for the word as it was when `COMPLETE` came.
    fn tell(&self, before: usize) -> Output {
        if before & JOIN_WAKER != 0 {
            // SAFETY: `JOIN_WAKER` was set when this thread set `COMPLETE`: the slot is the
            // completer's alone from then on.
            let waker = self.waker.with_mut(|slot| unsafe { (*slot).take() });
            let wanted = before & HANDLE != 0;
            // A waker is foreign code: its panic must not tear the cell.
            let woken = unwind::catch(move || match waker {
                Some(waker) if wanted => waker.wake(),
                other => drop(other),
            });
            if let Err(payload) = woken {
                unwind::discard(payload);
            }
        }
        if before & HANDLE != 0 {
            Output::Joiners
        } else {
            Output::Orphaned
        }
    }

    /// Completes a cell whose handle has gone, and of which the caller has all `references`; one of them
    /// is left. `false`: nothing was done, since others have some.
    #[inline]
    pub(crate) fn complete_alone(&self, references: usize) -> bool {
        // ORDERING: Acquire pairs with the Release of those who gave theirs up. Nobody is left who could
        // read or write the word: references come from references, and these are the caller's.
        let now = self.state.load(Acquire);
        let held = references + usize::from(seeded("who completes forgets one that is there"));
        if now & HANDLE != 0 || now >= (held + 1) * REF_ONE {
            return false;
        }
        let next = (now | COMPLETE) - (references - 1) * REF_ONE;
        self.state.store(next, Relaxed);
        true
    }

    /// Publishes the output and gives up so many references of the caller's in one step, in the common
    /// case that a handle exists and has set no waker. `false`: nothing was done.
    #[inline]
    pub(crate) fn complete_and_release(&self, references: usize) -> bool {
        // ORDERING: only a guess, checked by the exchange.
        let now = self.state.load(Relaxed);
        if now & (HANDLE | JOIN_WAKER) != HANDLE {
            return false;
        }
        // The handle holds a reference of its own, so these are not the last.
        debug_assert!(
            now >= (references + 1) * REF_ONE,
            "invariant: job and handle each hold a reference"
        );
        if seeded("complete ignores a waker that comes late") {
            self.state.fetch_or(COMPLETE, AcqRel);
            self.state.fetch_sub((references - 1) * REF_ONE, Release);
            return !self.release();
        }
        let next = (now | COMPLETE) - references * REF_ONE;
        // ORDERING: Release publishes the output, as in `complete`, and everything this
        // reference did to whoever frees the cell (`release`).
        self.state
            .compare_exchange(now, next, Release, Relaxed)
            .is_ok()
    }

    /// Whether the output is in place; after `true` it can be read.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        // ORDERING: pairs with the Release of `complete`.
        self.state.load(Acquire) & COMPLETE != 0
    }

    /// Joiner: registers its waker; `true` when the cell is complete (nothing is kept then).
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        // ORDERING: pairs with the Release of `complete`.
        let mut now = self.state.load(Acquire);
        while now & (COMPLETE | JOIN_WAKER) == JOIN_WAKER {
            // ORDERING: Acquire on failure pairs with `complete`; success publishes nothing,
            // the slot was last written by this joiner (or by one that sent the handle here).
            match self
                .state
                .compare_exchange_weak(now, now & !JOIN_WAKER, AcqRel, Acquire)
            {
                Ok(_) => now &= !JOIN_WAKER,
                Err(seen) => now = seen,
            }
        }
        if now & COMPLETE != 0 {
            return true;
        }
        let new = waker.clone();
        // SAFETY: `JOIN_WAKER` is clear and only the joiner, this thread, sets it, so the slot is
        // the joiner's even if `COMPLETE` comes now.
        let old = self.waker.with_mut(|slot| unsafe { (*slot).replace(new) });
        drop(old);
        loop {
            if now & COMPLETE != 0 {
                // SAFETY: as above; the completer saw no `JOIN_WAKER` and keeps off.
                let unused = self.waker.with_mut(|slot| unsafe { (*slot).take() });
                drop(unused);
                return true;
            }
            // ORDERING: Release publishes the waker to `complete`; Acquire on failure pairs
            // with the Release of `complete`.
            match self
                .state
                .compare_exchange_weak(now, now | JOIN_WAKER, AcqRel, Acquire)
            {
                Ok(_) => return false,
                Err(seen) => now = seen,
            }
        }
    }

    /// Handle: goes. The caller does what the answer says.
    pub(crate) fn drop_handle(&self) -> HandleDrop {
        // ORDERING: pairs with the Release of `complete`.
        let mut now = self.state.load(Acquire);
        loop {
            if now & COMPLETE != 0 && !seeded("the handle leaves the output to the completer") {
                return HandleDrop::OutputIsYours;
            }
            let next = (now & !HANDLE) - REF_ONE;
            // ORDERING: Release hands what the handle did to whoever frees the cell; Acquire
            // for the case that it is this thread, and for the output.
            match self.state.compare_exchange_weak(now, next, AcqRel, Acquire) {
                Ok(_) => {
                    return HandleDrop::Released {
                        last: next < REF_ONE,
                    };
                }
                Err(seen) => now = seen,
            }
        }
    }

    /// Adds a reference.
    ///
    /// # Panics
    /// Aborts when the count could overflow, long before it does.
    #[inline]
    pub(crate) fn retain(&self) {
        // ORDERING: a new reference is made from an old one, which keeps the cell alive.
        refuse_overflow(self.state.fetch_add(REF_ONE, Relaxed));
    }

    /// Gives up a reference; `true` when it was the last and the cell is to be freed.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Nobody can take a reference from a cell that has no other one than the caller's, so the
        // last one to go need not say so.
        // ORDERING: Acquire pairs with the Release of every other release before the cell is freed.
        let now = self.state.load(Acquire);
        if now < 2 * REF_ONE {
            return true;
        }
        if seeded("who goes looks, then writes") {
            self.state.store(now - REF_ONE, Release);
            return false;
        }
        // ORDERING: Release hands this reference's accesses to the one that frees.
        if self.state.fetch_sub(REF_ONE, Release) >= 2 * REF_ONE {
            return false;
        }
        // ORDERING: pairs with the Release of every other `release` before the cell is freed.
        fence(Acquire);
        true
    }

    /// Future: the job starts; `SCHEDULED` becomes `CLAIMED`.
    #[inline]
    pub(crate) fn start(&self) -> Start {
        // The one bit is set and the other is not, so that the difference swaps them.
        // ORDERING: Acquire pairs with the Release of `wake` (what the waker wrote before it
        // woke) and of `idle` (the future, as the last poll left it).
        let before = self.state.fetch_sub(SCHEDULED - CLAIMED, AcqRel);
        debug_assert!(
            before & (SCHEDULED | CLAIMED | COMPLETE) == SCHEDULED,
            "invariant: one job exists for a scheduled future, and no poll is under way"
        );
        if before & CANCEL != 0 {
            Start::Cancel
        } else {
            Start::Poll
        }
    }

    /// Future: a poll returned `Pending`.
    #[inline]
    pub(crate) fn idle(&self) -> Idle {
        let mut now = self.state.load(Relaxed);
        loop {
            let (again, next) = match now & SCHEDULED != 0 {
                true if seeded("idle forgets a wake") => {
                    (false, (now & !(CLAIMED | SCHEDULED)) - REF_ONE)
                }
                true => (true, now & !CLAIMED),
                false => (false, (now & !CLAIMED) - REF_ONE),
            };
            // ORDERING: Release publishes the future to the next `start`, and hands this
            // reference's accesses to the one that frees; Acquire sees what the waker wrote that
            // woke it meanwhile, and is for the case that it is this thread that frees.
            match self.state.compare_exchange_weak(now, next, AcqRel, Relaxed) {
                Ok(_) if again => return Idle::Again,
                Ok(_) => {
                    return Idle::Waiting {
                        last: next < REF_ONE,
                    };
                }
                Err(seen) => now = seen,
            }
        }
    }

    /// Future: asks for a poll. `true`: the caller makes the job, with the reference that was just
    /// added for it.
    ///
    /// # Panics
    /// As [`retain`](Self::retain).
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        let mut now = self.state.load(Relaxed);
        loop {
            let is_idle = now & (SCHEDULED | CLAIMED | COMPLETE) == 0;
            let next = (now | SCHEDULED) + if is_idle { REF_ONE } else { 0 };
            refuse_overflow(now);
            // ORDERING: Release publishes what the waker's owner wrote to the poll that follows;
            // also when a job exists already, since its `start` comes after this in the word.
            match self.state.compare_exchange_weak(now, next, AcqRel, Relaxed) {
                Ok(_) => return is_idle,
                Err(seen) => now = seen,
            }
        }
    }

    /// As [`wake`](Self::wake), by a waker that goes: its reference becomes the job's, or is given
    /// up.
    #[inline]
    pub(crate) fn wake_and_release(&self) -> LastWake {
        let mut now = self.state.load(Relaxed);
        loop {
            let is_idle = now & (SCHEDULED | CLAIMED | COMPLETE) == 0;
            let next = if is_idle || seeded("a waker that goes keeps its reference") {
                now | SCHEDULED
            } else {
                (now | SCHEDULED) - REF_ONE
            };
            // ORDERING: as `wake`; and as `release`, of which Acquire is the second half.
            match self.state.compare_exchange_weak(now, next, AcqRel, Relaxed) {
                Ok(_) if is_idle => return LastWake::MakeJob,
                Ok(_) => {
                    return LastWake::Released {
                        last: next < REF_ONE,
                    };
                }
                Err(seen) => now = seen,
            }
        }
    }

    /// Future: asks for its end. `None`: it is complete; `Some(true)`: the caller makes the job.
    pub(crate) fn cancel(&self) -> Option<bool> {
        // ORDERING: as `wake`.
        let before = self.state.fetch_or(SCHEDULED | CANCEL, AcqRel);
        if before & COMPLETE != 0 {
            return None;
        }
        Some(before & (SCHEDULED | CLAIMED) == 0)
    }

    /// Future: whether it is to be dropped instead of polled on.
    pub(crate) fn is_cancelled(&self) -> bool {
        // ORDERING: a hint; `start` decides.
        self.state.load(Relaxed) & CANCEL != 0
    }
}

/// Aborts when the count of references in `state` could overflow, long before it does.
#[inline]
fn refuse_overflow(state: usize) {
    if state > isize::MAX as usize {
        drop(unwind::AbortOnDrop(
            "a task has more wakers than a machine word can count",
        ));
    }
}

impl Completion for Header {
    fn is_done(&self) -> bool {
        self.is_complete()
    }
    fn subscribe(&self, waker: &Waker) -> bool {
        self.set_waker(waker)
    }
    fn job(&self) -> JobId {
        JobId::of(core::ptr::from_ref(self))
    }
}

// SAFETY: the waker slot is reached only by the side that the state word names (module head).
unsafe impl Sync for Header {}
// SAFETY: a waker is `Send`, and the rest is atomic.
unsafe impl Send for Header {}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use std::process::Command;

    use super::Header;

    /// The process aborts, so a child does it.
    #[test]
    fn a_count_of_wakers_that_would_overflow_aborts() {
        if std::env::var_os("OVERFLOW").is_some() {
            let header = Header::new(isize::MAX as usize + 1);
            header.retain();
            return;
        }
        let child = Command::new(std::env::current_exe().expect("known"))
            .args([
                "--exact",
                "task::header::tests::a_count_of_wakers_that_would_overflow_aborts",
                "--nocapture",
            ])
            .env("OVERFLOW", "1")
            .output()
            .expect("runs");
        let text = std::string::String::from_utf8_lossy(&child.stderr);
        assert!(!child.status.success(), "it went on");
        assert!(text.contains("more wakers"), "{text}");
    }
}
