//! Wakers of those that wait for one thing, each at most once.

use alloc::vec::Vec;
use core::task::Waker;

use exec_core::{Ground, sync::TryLock, unwind};

/// See the module head.
pub(crate) struct Waiting(TryLock<Vec<Waker>>);

impl Waiting {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self(TryLock::new(Vec::new()))
    }

    /// Leaves a waker that the next [`wake_all`](Self::wake_all) calls.
    pub(crate) fn leave(&self, waker: &Waker, ground: &impl Ground) {
        // A waker is foreign code: it is cloned, and dropped, when nothing is held.
        let mut own = Some(waker.clone());
        with(&self.0, ground, |waiting| {
            if !waiting.iter().any(|there| there.will_wake(waker)) {
                waiting.extend(own.take());
            }
        });
        drop(own);
    }

    /// Wakes everybody who waits.
    pub(crate) fn wake_all(&self, ground: &impl Ground) {
        for waker in with(&self.0, ground, core::mem::take) {
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
    }
}

/// Runs `f` on what the lock holds; others hold it for a few instructions.
pub(crate) fn with<V, R>(
    lock: &TryLock<V>,
    ground: &impl Ground,
    mut f: impl FnMut(&mut V) -> R,
) -> R {
    loop {
        match lock.try_with(&mut f) {
            Some(result) => return result,
            None => ground.yield_now(),
        }
    }
}
