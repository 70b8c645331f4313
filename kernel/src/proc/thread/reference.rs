//! A thread as the run queues and the waiting protocols of [`kcore`] see it.
//!
//! # Who owns what
//! The links and what a waiting queue keeps with a thread are the [`Thread`]'s; each is touched under
//! the lock of the list that it belongs to. `queued` is also read without it, by the thread itself.

use core::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicPtr, Ordering},
};

use kcore::{
    FutexKey, Linked, RunLink, WaitLink, Waiter,
    sched::{Scheduled, Share},
};

use super::Thread;
use crate::{arch::clock, sched};

/// A thread as the waiting protocols see it.
#[derive(Clone, Copy)]
pub(crate) struct ThreadRef(pub(crate) &'static Thread);

impl fmt::Debug for ThreadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}", self.0.tid())
    }
}

impl ThreadRef {
    /// Follows a link.
    #[inline]
    fn follow(link: &AtomicPtr<Thread>) -> Option<Self> {
        // ORDERING: Relaxed: under the list's lock.
        let next = link.load(Ordering::Relaxed);
        // SAFETY: null, or a structure that lives for ever.
        unsafe { next.as_ref() }.map(Self)
    }

    #[inline]
    fn set_link(link: &AtomicPtr<Thread>, next: Option<Self>) {
        let next = next.map_or(core::ptr::null_mut(), |next| {
            core::ptr::from_ref(next.0).cast_mut()
        });
        // ORDERING: Relaxed: under the list's lock.
        link.store(next, Ordering::Relaxed);
    }
}

impl From<ThreadRef> for NonZeroU64 {
    #[inline(always)]
    fn from(thread: ThreadRef) -> Self {
        let address = core::ptr::from_ref(thread.0).expose_provenance() as u64;
        Self::new(address).expect("invariant: a reference is not null")
    }
}

impl ThreadRef {
    /// The thread that such a word stands for.
    ///
    /// # Safety
    /// The word must have been made from a thread.
    #[inline(always)]
    pub(crate) unsafe fn from_word(word: NonZeroU64) -> Self {
        let thread = core::ptr::with_exposed_provenance::<Thread>(word.get() as usize);
        // SAFETY: the caller's promise; a structure lives for ever.
        Self(unsafe { &*thread })
    }
}

impl Linked<RunLink> for ThreadRef {
    #[inline]
    fn next(&self) -> Option<Self> {
        Self::follow(&self.0.next_ready)
    }

    #[inline]
    fn set_next(&self, next: Option<Self>) {
        Self::set_link(&self.0.next_ready, next);
    }
}

impl Scheduled for ThreadRef {
    #[inline]
    fn share(&self) -> &Share {
        self.0.share()
    }

    fn ran_ns(&self) -> u64 {
        self.0.ran_ns()
    }

    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }
}

impl Linked<WaitLink> for ThreadRef {
    #[inline]
    fn next(&self) -> Option<Self> {
        Self::follow(&self.0.next_waiting)
    }

    #[inline]
    fn set_next(&self, next: Option<Self>) {
        Self::set_link(&self.0.next_waiting, next);
    }
}

impl Waiter for ThreadRef {
    #[inline]
    fn wake(&self) {
        if self.0.park.notify() {
            sched::make_ready(self.0);
        }
    }

    #[inline]
    fn set_queued(&self, queued: bool) {
        // ORDERING: Release pairs with `is_queued`: the waker's writes are seen by the woken thread.
        self.0.queued.store(queued, Ordering::Release);
    }

    #[inline]
    fn is_queued(&self) -> bool {
        // ORDERING: Acquire pairs with `set_queued`.
        self.0.queued.load(Ordering::Acquire)
    }

    #[inline]
    fn set_key(&self, key: FutexKey) {
        // ORDERING: Relaxed: under the bucket's lock.
        self.0.wait_space.store(key.space, Ordering::Relaxed);
        self.0.wait_address.store(key.address, Ordering::Relaxed);
    }

    #[inline]
    fn key(&self) -> FutexKey {
        // ORDERING: Relaxed: under the bucket's lock.
        FutexKey {
            space: self.0.wait_space.load(Ordering::Relaxed),
            address: self.0.wait_address.load(Ordering::Relaxed),
        }
    }

    #[inline]
    fn is_same(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}
