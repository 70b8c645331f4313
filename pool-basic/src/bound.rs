//! How many jobs may be queued, and who waits for room.
//!
//! The bound counts queued jobs, not running ones. It lies beside the queue and not in it, so
//! that a woken future can always be queued: a waker must not block, and refusing it would
//! cancel the future. Such jobs count, and may exceed the bound.
//!
//! # Protocol
//! Producer: takes a place by an exchange that fails at the bound. To wait, it announces itself
//! under the lock, tries once more, and sleeps.
//! Consumer: gives a place back, then wakes one waiter if any is announced.
//!
//! # Why nothing is lost
//! Both sides have a sequentially consistent fence between their write (announcement, place) and
//! their look at the other's. So either the consumer sees the waiter, and notifies it under the
//! lock, in which the waiter either sleeps already or has not tried yet; or the waiter sees the
//! place. A place that a passer-by takes before the woken waiter gives its own notice when it
//! comes back.
//!
//! # Shutdown
//! [`close`](Bound::close) wakes all waiters; they find the pool closed and are refused.

use exec_core::sync::{
    Condvar, Mutex,
    atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Relaxed, SeqCst},
        fence,
    },
};

#[derive(Debug)]
pub(crate) struct Bound {
    capacity: usize,
    /// Jobs that are queued or about to be.
    queued: AtomicUsize,
    /// Producers that wait or are about to. Written under the lock.
    waiting: AtomicUsize,
    lock: Mutex<()>,
    room: Condvar,
}

impl Bound {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            queued: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            lock: Mutex::new(()),
            room: Condvar::new(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes a place if there is one.
    pub(crate) fn try_take(&self) -> bool {
        // ORDERING: the place says nothing about the queue's content, which has its own order.
        self.queued
            .fetch_update(AcqRel, Relaxed, |queued| {
                (queued < self.capacity).then_some(queued + 1)
            })
            .is_ok()
    }

    /// Takes a place, beyond the bound if need be.
    pub(crate) fn take_anyway(&self) {
        self.queued.fetch_add(1, AcqRel);
    }

    /// Takes a place, waiting for one; `false` when `closed` first.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn take(&self, closed: impl Fn() -> bool) -> bool {
        if self.try_take() {
            return true;
        }
        let mut guard = self.lock.lock();
        self.waiting.fetch_add(1, AcqRel);
        let taken = loop {
            // ORDERING: between announcement and look; pairs with the fence of `give`.
            fence(SeqCst);
            if closed() {
                break false;
            }
            if self.try_take() {
                break true;
            }
            guard = self.room.wait(guard);
        };
        self.waiting.fetch_sub(1, AcqRel);
        taken
    }

    /// Gives a place back.
    pub(crate) fn give(&self) {
        self.queued.fetch_sub(1, AcqRel);
        // ORDERING: between place and look; pairs with the fence of `take`.
        fence(SeqCst);
        if self.waiting.load(Relaxed) != 0 {
            let _guard = self.lock.lock();
            self.room.notify_one();
        }
    }

    /// Wakes all who wait, after the pool was closed.
    pub(crate) fn close(&self) {
        let _guard = self.lock.lock();
        self.room.notify_all();
    }
}
