//! How one thread stops and another one lets it go on, without losing the second.
//!
//! # States
//! - `RUNNING`: the thread runs or is in a run queue. Set by the waker that finds `PARKED`, and by
//!   the thread when it takes a token.
//! - `NOTIFIED`: a wake-up came while the thread had not stopped yet: one token, never more.
//! - `PARKED`: the thread is off the CPU, its registers are saved, only a waker may touch it.
//!
//! # Protocol
//! Sleeper: publish yourself where a waker finds you; [`take_token`](ParkCell::take_token): true
//! means do not stop at all; switch to another stack. The code that runs there after the switch
//! calls [`finish_park`](ParkCell::finish_park); true means that a token came in between and the
//! thread must go back into a run queue.
//! Waker: [`notify`](ParkCell::notify); true means that the thread was parked and it is now the
//! waker who must put it into a run queue.
//!
//! # Why nothing is lost
//! The race is a wake-up between the publication and the switch. Both sides change the one word by
//! read-modify-write. Either the waker comes first: it leaves `NOTIFIED`, and `finish_park` or
//! `take_token` finds it. Or `finish_park` comes first: the waker finds `PARKED`. In each case
//! exactly one of the two puts the thread back. A thread is never in a run queue before its
//! registers are saved, because `PARKED` is set after the switch.
//!
//! A token may be stale (a wake-up for a wait that ended otherwise). So each wait is a loop that
//! asks again whether it is over; see [`Waiter::is_queued`].

use crate::{
    futex::FutexKey,
    list::{Linked, WaitLink},
    sync::{AtomicU32, Ordering, seeded},
};

const RUNNING: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED: u32 = 2;

/// The parking word of one thread.
#[derive(Debug)]
pub struct ParkCell {
    state: AtomicU32,
}

impl ParkCell {
    /// The cell of a thread that runs.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: AtomicU32::new(RUNNING),
        }
    }

    /// Takes the token if there is one; then the thread must not stop.
    #[inline]
    #[must_use]
    pub fn take_token(&self) -> bool {
        // ORDERING: Relaxed: a quick look; if a token comes after it, `finish_park` finds it.
        if self.state.load(Ordering::Relaxed) != NOTIFIED {
            return false;
        }
        // ORDERING: Acquire pairs with `notify`: what the waker wrote is seen by the thread.
        self.state
            .compare_exchange(NOTIFIED, RUNNING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Marks the thread as stopped; to be called from another stack, after its registers are saved.
    ///
    /// Returns true if a token came in between: the caller must make the thread ready again.
    #[inline]
    #[must_use]
    pub fn finish_park(&self) -> bool {
        if seeded("finish_park does not look for a token") {
            self.state.store(PARKED, Ordering::Release);
            return false;
        }
        // ORDERING: Release pairs with `notify` on another CPU, which makes the thread ready there:
        // its saved registers are seen. Acquire on failure pairs with the `notify` that came first.
        match self
            .state
            .compare_exchange(RUNNING, PARKED, Ordering::Release, Ordering::Acquire)
        {
            Ok(_) => false,
            Err(_) => {
                // ORDERING: Relaxed: with the token set, no other side changes the word.
                self.state.store(RUNNING, Ordering::Relaxed);
                true
            }
        }
    }

    /// Wakes the thread or leaves the token; true if the caller must make it ready.
    #[inline]
    #[must_use]
    pub fn notify(&self) -> bool {
        loop {
            // ORDERING: AcqRel: Acquire pairs with `finish_park`; Release with `take_token`.
            if self
                .state
                .compare_exchange(PARKED, RUNNING, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return true;
            }
            match self.state.compare_exchange(
                RUNNING,
                NOTIFIED,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return false,
                // A read-modify-write even here, so that the taker of the old token sees what this
                // waker wrote.
                Err(NOTIFIED) => {
                    let same = self.state.compare_exchange(
                        NOTIFIED,
                        NOTIFIED,
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    );
                    if same.is_ok() {
                        return false;
                    }
                }
                Err(_) => {}
            }
        }
    }
}

impl Default for ParkCell {
    fn default() -> Self {
        Self::new()
    }
}

/// A thread as the waiting protocols see it.
pub trait Waiter: Linked<WaitLink> {
    /// Makes the thread go on, or leaves it a token if it has not stopped yet.
    fn wake(&self);
    /// Records that the thread stands in a queue, or no longer; under the lock of that queue.
    fn set_queued(&self, queued: bool);
    /// Whether the thread still stands in the queue it entered.
    fn is_queued(&self) -> bool;
    /// Records which word the thread waits on; under the lock of that word's queue.
    fn set_key(&self, key: FutexKey);
    /// The word the thread waits on, or waited on last; under the lock of that word's queue.
    fn key(&self) -> FutexKey;
    /// Whether both handles name the same thread.
    fn is_same(&self, other: &Self) -> bool;
}

/// Why a waiting thread came back to its wait loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// A token: look whether the wait is over, else wait on.
    Again,
    /// The deadline has passed.
    TimedOut,
    /// The thread has to leave: its process ends.
    Interrupted,
}
