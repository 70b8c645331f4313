//! Waiting on a word of memory: a lock that sleeps, and a one-thread token.
//!
//! # States of [`RawLock`]
//! `FREE` → `HELD` by the thread that takes it; `HELD` → `CONTENDED` by a thread about to sleep, and
//! taken as `CONTENDED` by one that slept, since others may sleep still. Only the holder goes back
//! to `FREE`, and wakes one sleeper if it was `CONTENDED`.
//!
//! # States of [`Token`]
//! `EMPTY`, `PARKED` (set and cleared by the owner) and `NOTIFIED` (set by anyone, cleared by the
//! owner). A notification is kept until the owner's next park.
//!
//! # Why nothing is lost
//! A sleeper writes its mark (`CONTENDED`, `PARKED`) and then asks the kernel to sleep *while the
//! word still holds that mark*; a waker changes the word and then wakes. Either the waker saw the
//! mark, and wakes; or it changed the word first, and the kernel finds another value and refuses to
//! sleep.

use exec_core::sync::atomic::AtomicU32;
use exec_core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::syscall;

/// Nobody holds the lock.
const FREE: u32 = 0;
/// One thread holds the lock and no other waits.
const HELD: u32 = 1;
/// One thread holds the lock and others may sleep for it.
const CONTENDED: u32 = 2;

/// No limit of time, as [`syscall::futex_wait`] spells it.
const FOREVER: u64 = u64::MAX;

/// Looks at a taken lock before its caller sleeps: a few, so that a holder on another processor can
/// finish a short section; never more, since the holder may be descheduled.
const LOOKS: u32 = 16;

/// A lock without a value: what [`lock`](Self::lock) protects is its user's business.
///
/// A thread that ends while it holds the lock leaves it held, for ever: the kernel knows nothing of
/// who holds what. (The kernel's own locks are never held when a thread ends.)
#[derive(Debug, Default)]
pub struct RawLock {
    /// `FREE`, `HELD` or `CONTENDED`; changed by read-modify-write only.
    state: AtomicU32,
}

impl RawLock {
    /// A lock that nobody holds.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(FREE),
        }
    }

    /// Takes the lock.
    ///
    /// # Blocking
    /// Sleeps in the kernel until the lock is free.
    #[inline]
    pub fn lock(&self) {
        if !self.try_lock() {
            self.lock_contended();
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    #[must_use]
    pub fn try_lock(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of `unlock`.
        self.state
            .compare_exchange(FREE, HELD, Acquire, Relaxed)
            .is_ok()
    }

    #[cold]
    fn lock_contended(&self) {
        for _ in 0..LOOKS {
            // ORDERING: Relaxed: a hint only; `try_lock` decides.
            if self.state.load(Relaxed) == FREE && self.try_lock() {
                return;
            }
            exec_core::sync::spin_loop();
        }
        // ORDERING: Acquire pairs with the Release of `unlock`.
        while self.state.swap(CONTENDED, Acquire) != FREE {
            // The result is not needed: whatever it was, the swap looks again.
            let _ = syscall::futex_wait(&self.state, CONTENDED, FOREVER);
        }
    }

    /// Gives the lock back.
    ///
    /// # Safety
    /// The caller must hold the lock.
    #[inline]
    pub unsafe fn unlock(&self) {
        let word = self.state.as_ptr().cast_const();
        // ORDERING: Release pairs with the Acquire of the next holder.
        if self.state.swap(FREE, Release) == CONTENDED {
            // The lock may be gone by now; the address is still the right key.
            let _ = syscall::futex_wake(word, 1);
        }
    }
}

/// Nothing happened.
const EMPTY: u32 = 0;
/// The owner sleeps or is about to.
const PARKED: u32 = 1;
/// A notification waits for the owner's next park.
const NOTIFIED: u32 = 2;

/// The token that one thread parks on and any thread notifies.
#[derive(Debug, Default)]
pub struct Token {
    /// `EMPTY`, `PARKED` or `NOTIFIED`; changed by read-modify-write only.
    state: AtomicU32,
}

impl Token {
    /// A token without a notification.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
        }
    }

    /// Waits for a notification and takes it; gives up when the clock reaches `until_ns`. Returns
    /// whether there was one. Only the token's owner may park on it.
    ///
    /// # Blocking
    /// Until notified, or until the clock reaches `until_ns`; `None` is no limit.
    ///
    /// # Memory ordering
    /// What was written before a [`notify`](Self::notify) is seen after the park that took it.
    pub fn park(&self, until_ns: Option<u64>) -> bool {
        // ORDERING: Acquire pairs with the Release of `notify`, here and below.
        if self
            .state
            .compare_exchange(NOTIFIED, EMPTY, Acquire, Relaxed)
            .is_ok()
        {
            return true;
        }
        // ORDERING: Relaxed on the way in: the kernel compares the word again before it sleeps.
        let _ = self.state.compare_exchange(EMPTY, PARKED, Relaxed, Relaxed);
        loop {
            let left = match until_ns {
                None | Some(u64::MAX) => FOREVER,
                Some(until) => until.saturating_sub(syscall::clock()),
            };
            if left == 0 {
                return self.state.swap(EMPTY, Acquire) == NOTIFIED;
            }
            // Woken, refused or timed out: the state tells which.
            let _ = syscall::futex_wait(&self.state, PARKED, left);
            if self
                .state
                .compare_exchange(NOTIFIED, EMPTY, Acquire, Relaxed)
                .is_ok()
            {
                return true;
            }
        }
    }

    /// Notifies the owner: wakes it, or makes its next park return at once.
    #[inline]
    pub fn notify(&self) {
        let word = self.state.as_ptr().cast_const();
        // ORDERING: Release pairs with the Acquire of `park`.
        if self.state.swap(NOTIFIED, Release) == PARKED {
            // The owner may be gone by now; the address is still the right key.
            let _ = syscall::futex_wake(word, 1);
        }
    }
}
