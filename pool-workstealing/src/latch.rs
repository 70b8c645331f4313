//! A latch for a thread outside of the pool: set once, waited for once.
//!
//! # Protocol
//! The waiter spins for a moment where that may pay, then swaps in `PARKED` and parks until `SET`. The setter copies
//! the waiter's thread, swaps in `SET`, and unparks when it found `PARKED`.
//!
//! # Why nothing is lost
//! Both meet in one word by read-modify-write. The setter copies the thread before its swap:
//! after it, the latch may be gone with the waiter's stack.

use std::time::{Duration, Instant};

use exec_core::sync::{
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire},
    },
    spin_loop, thread,
};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const SET: u32 = 2;

/// How long a thread outside spins for a job in the pool before it parks.
const SPIN: Duration = Duration::from_micros(20);

/// Set once by a worker, waited for by the thread that made it.
pub(crate) struct Latch {
    state: AtomicU32,
    thread: thread::Thread,
}

impl Latch {
    /// A latch that the current thread will wait for.
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            thread: thread::current(),
        }
    }

    /// Whether it is set.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: pairs with the AcqRel of `set`: what was done before is seen.
        self.state.load(Acquire) == SET
    }

    /// Sets it and wakes the waiter.
    ///
    /// # Safety
    /// `this` is live now; it may be gone when this returns.
    pub(crate) unsafe fn set(this: *const Self) {
        // SAFETY: by the caller, until the swap.
        let latch = unsafe { &*this };
        let waiter = latch.thread.clone();
        // ORDERING: Release publishes what was done before to `is_set`.
        if latch.state.swap(SET, AcqRel) == PARKED {
            waiter.unpark();
        }
    }

    /// Spins until it is set, for a moment at most.
    pub(crate) fn spin(&self) {
        let since = Instant::now();
        while since.elapsed() < SPIN {
            for _ in 0..16 {
                if self.is_set() {
                    return;
                }
                spin_loop();
            }
        }
    }

    /// Waits until it is set.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait(&self) {
        while !self.is_set() {
            self.park();
        }
    }

    /// Parks until it is set, or until this thread is unparked for another reason.
    pub(crate) fn park(&self) {
        // ORDERING: as `is_set` on failure; success publishes nothing.
        let before = self.state.compare_exchange(EMPTY, PARKED, AcqRel, Acquire);
        if before != Err(SET) {
            thread::park();
        }
    }
}
