//! The family's only facade over `core`, `std` and `loom` synchronisation.
//!
//! Every crate of the family takes its atomics, cells, locks and threads from here, so that one
//! `--cfg loom` build swaps all of them for model-checked ones. No protocol of the family
//! names `core::sync::atomic`, `std::sync::Mutex`, `std::thread` or `loom` itself (tests may).
//!
//! # What differs under loom
//! * `Mutex` and `Condvar` never poison here: a lock whose holder panicked is simply free again,
//!   so no user ever sees a poisoned lock of ours.
//! * [`Arc`] stays `alloc`'s: loom's cannot hold `dyn Trait` on stable Rust, and the count inside
//!   `Arc` is not a protocol of ours.
//! * `shuttle` and `parking_lot` have no backend yet; this file is where they would be added.

pub use alloc::sync::{Arc, Weak};

/// Atomic integers, pointers and fences.
pub mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        compiler_fence, fence,
    };
    #[cfg(loom)]
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };
}

#[cfg(loom)]
pub use loom::cell::UnsafeCell;

/// An `UnsafeCell` whose accesses are closures, so that loom can see when each begins and ends.
#[cfg(not(loom))]
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// Wraps `value`.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Hands a shared pointer to the content to `f`.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Hands an exclusive pointer to the content to `f`.
    #[inline]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    /// Unwraps the value.
    #[inline]
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// Tells the CPU that this is a spin loop; under loom, lets the other threads run.
#[inline]
pub fn spin_loop() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// Whether the named seeded bug is on: only ever under loom, and only inside `with_seed`.
///
/// A protocol asks at the place where a plausible mistake would be made, so that the model of
/// the protocol can be shown to find that mistake. In every other build this is `false` at
/// compile time.
#[cfg(not(loom))]
#[inline(always)]
pub const fn seeded(_bug: &str) -> bool {
    false
}

#[cfg(loom)]
std::thread_local! {
    static SEED: core::cell::Cell<&'static str> = const { core::cell::Cell::new("") };
}

/// Whether the named seeded bug is on.
#[cfg(loom)]
pub fn seeded(bug: &str) -> bool {
    // Loom runs all threads of a model on one OS thread, so this is one flag a model.
    SEED.with(|seed| seed.get() == bug)
}

/// Runs `f`, a whole model, with the named bug on.
#[cfg(loom)]
pub fn with_seed<R>(bug: &'static str, f: impl FnOnce() -> R) -> R {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            SEED.with(|seed| seed.set(""));
        }
    }
    SEED.with(|seed| seed.set(bug));
    let _off = Off;
    f()
}

#[cfg(any(feature = "std", loom))]
pub use lock::{Condvar, Mutex, MutexGuard};

/// Locks that never poison.
#[cfg(any(feature = "std", loom))]
mod lock {
    #[cfg(loom)]
    use loom::sync as imp;
    #[cfg(not(loom))]
    use std::sync as imp;
    use std::{sync::PoisonError, time::Duration};

    /// The guard of a [`Mutex`].
    pub type MutexGuard<'a, T> = imp::MutexGuard<'a, T>;

    /// A lock that is free again after its holder panicked.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(imp::Mutex<T>);

    impl<T> Mutex<T> {
        /// Wraps `value`.
        pub fn new(value: T) -> Self {
            Self(imp::Mutex::new(value))
        }

        /// Takes the lock.
        ///
        /// # Blocking
        /// Until the lock is free.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Takes the lock if it is free.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(std::sync::TryLockError::Poisoned(e)) => Some(e.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            }
        }

        /// Unwraps the value.
        pub fn into_inner(self) -> T {
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A condition to wait for under a [`Mutex`].
    #[derive(Debug, Default)]
    pub struct Condvar(imp::Condvar);

    impl Condvar {
        /// A condition nobody waits for yet.
        pub fn new() -> Self {
            Self(imp::Condvar::new())
        }

        /// Gives the lock up, waits for a notification, and takes the lock again.
        ///
        /// # Blocking
        /// Until notified; spurious returns happen.
        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
        }

        /// As [`wait`](Self::wait), for `timeout` at most; `true` when the time ran out.
        ///
        /// # Blocking
        /// Until notified or `timeout` has passed; spurious returns happen.
        pub fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            timeout: Duration,
        ) -> (MutexGuard<'a, T>, bool) {
            let (guard, result) = self
                .0
                .wait_timeout(guard, timeout)
                .unwrap_or_else(PoisonError::into_inner);
            (guard, result.timed_out())
        }

        /// Wakes one waiter.
        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Wakes every waiter.
        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

/// Threads of the host, or loom's.
#[cfg(any(feature = "std", loom))]
pub mod thread {
    #[cfg(loom)]
    pub use loom::thread_local;
    #[cfg(not(loom))]
    pub use std::thread_local;

    #[cfg(loom)]
    pub use loom::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
    #[cfg(not(loom))]
    pub use std::thread::{
        Builder, JoinHandle, Thread, ThreadId, available_parallelism, current, panicking, park,
        park_timeout, sleep, spawn, yield_now,
    };
}

/// A value that one thread at a time may use and nobody ever waits for.
///
/// There is no `lock`: a thread that finds it taken goes and does something else. That is what
/// makes it usable where no ground is at hand to block on, and why it can never spin on a thread
/// that was descheduled.
#[derive(Debug)]
pub struct TryLock<T> {
    taken: atomic::AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `taken` lets one thread at a time reach the value, so sharing the lock only ever moves
// exclusive access to `T` from thread to thread, which `T: Send` allows.
unsafe impl<T: Send> Sync for TryLock<T> {}
// SAFETY: the lock owns its value.
unsafe impl<T: Send> Send for TryLock<T> {}

impl<T: Default> Default for TryLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> TryLock<T> {
    /// Wraps `value`, not taken.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self {
            taken: atomic::AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Wraps `value`, not taken.
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self {
            taken: atomic::AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `f` on the value unless another thread is using it; `None` then.
    ///
    /// # Memory ordering
    /// What one `f` wrote is seen by the next one that runs.
    pub fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        use atomic::Ordering::{Acquire, Relaxed, Release};
        struct Release_<'a>(&'a atomic::AtomicBool);
        impl Drop for Release_<'_> {
            fn drop(&mut self) {
                // ORDERING: pairs with the Acquire of the next `try_with`.
                self.0.store(false, Release);
            }
        }
        // ORDERING: Acquire pairs with the Release of the last holder's guard.
        if self
            .taken
            .compare_exchange(false, true, Acquire, Relaxed)
            .is_err()
        {
            return None;
        }
        let _release = Release_(&self.taken);
        Some(self.value.with_mut(|value| {
            // SAFETY: `taken` went from false to true here, so no other thread is inside.
            let value = unsafe { &mut *value };
            f(value)
        }))
    }
}
