//! The one lock and the atomics of this crate: `core` in the kernel, `loom` under the model checker.
//!
//! # Protocol
//! The kernel takes a [`SpinLock`] with interrupts off only (it runs so everywhere but in the idle
//! loop, where it holds none), so no interrupt handler can meet a lock that its own CPU holds.

#[cfg(not(loom))]
use core::ops::{Deref, DerefMut};

#[cfg(not(loom))]
use crate::held::Held;

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Reads a word, `SeqCst`: the second step of two sides that each write one word and read the other's.
///
/// loom takes such an access for an acquiring one, and knows the one order of all of them from fences
/// only: there is one before it then.
#[inline(always)]
pub(crate) fn load_in_order(word: &AtomicU32) -> u32 {
    if seeded("what was written first is read in any order") {
        return word.load(Ordering::Relaxed);
    }
    #[cfg(loom)]
    fence(Ordering::SeqCst);
    // ORDERING: SeqCst: pairs with the other side's write, see the protocols that use it.
    word.load(Ordering::SeqCst)
}

/// A lock that spins: short critical sections, no sleeping, nothing slow inside.
#[derive(Debug)]
pub struct SpinLock<T> {
    #[cfg(not(loom))]
    inner: spin::mutex::SpinMutex<T>,
    #[cfg(loom)]
    inner: loom::sync::Mutex<T>,
}

/// Exclusive access to what a [`SpinLock`] protects; dropping it unlocks.
#[cfg(not(loom))]
#[derive(Debug)]
pub struct SpinGuard<'a, T> {
    inner: spin::mutex::SpinMutexGuard<'a, T>,
    _held: Held,
}
/// Exclusive access to what a [`SpinLock`] protects; dropping it unlocks.
#[cfg(loom)]
pub type SpinGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

#[cfg(not(loom))]
impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.inner
    }
}

#[cfg(not(loom))]
impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

#[cfg(not(loom))]
impl<T> SpinLock<T> {
    /// An open lock around `value`.
    pub const fn new(value: T) -> Self {
        Self {
            inner: spin::mutex::SpinMutex::new(value),
        }
    }

    /// Takes the lock.
    ///
    /// # Blocking
    /// Spins until it is free.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let inner = match self.inner.try_lock() {
            Some(guard) => guard,
            None => self.lock_held(),
        };
        let _held = Held::new();
        SpinGuard { inner, _held }
    }

    /// As [`lock`](Self::lock), where another holder was met; apart, so that the way of a free lock
    /// stays short.
    #[cold]
    #[inline(never)]
    fn lock_held(&self) -> spin::mutex::SpinMutexGuard<'_, T> {
        self.inner.lock()
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let inner = self.inner.try_lock()?;
        let _held = Held::new();
        Some(SpinGuard { inner, _held })
    }
}

#[cfg(loom)]
impl<T> SpinLock<T> {
    /// An open lock around `value`.
    pub fn new(value: T) -> Self {
        Self {
            inner: loom::sync::Mutex::new(value),
        }
    }

    /// Takes the lock.
    ///
    /// # Blocking
    /// Waits until it is free.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        self.inner
            .lock()
            .expect("invariant: no thread panics with this lock held")
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        self.inner.try_lock().ok()
    }
}

#[cfg(not(loom))]
impl<T: Default> Default for SpinLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Whether the named seeded bug is on: only ever under loom, and only inside `with_seed`. A model
/// whose protocol has a bug seeded must fail; else it proves nothing.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn seeded(_bug: &str) -> bool {
    false
}

#[cfg(loom)]
std::thread_local! {
    static SEED: core::cell::Cell<&'static str> = const { core::cell::Cell::new("") };
}

/// Whether the named seeded bug is on.
#[cfg(loom)]
pub(crate) fn seeded(bug: &str) -> bool {
    // All threads of a model run on one thread of the host, so one cell serves them.
    SEED.with(|seed| seed.get() == bug)
}

/// Runs `f`, a model, with a bug seeded.
#[cfg(loom)]
pub fn with_seed<R>(bug: &'static str, f: impl FnOnce() -> R) -> R {
    SEED.with(|seed| seed.set(bug));
    let result = f();
    SEED.with(|seed| seed.set(""));
    result
}
