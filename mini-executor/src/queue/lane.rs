//! A container that threads share and none ever waits for.
//!
//! # States
//! The container is free or held ([`TryLock`]). A late list beside it takes what comes while it
//! is held; closing the late list closes the lane.
//!
//! # Protocol
//! * `put`: take the container if it is free; otherwise push onto the late list, which cannot
//!   fail to be free. Whoever holds the container next moves the late ones in.
//! * After each hold the container's [`level`](Container::level) is published, so that others
//!   can look without taking it.
//! * `close`: closes the late list, then empties the container if it is free.
//!
//! # Why nothing is lost
//! The caller of `put` fences and tells an idle worker afterwards (see `idle.rs`); a late item
//! counts as present in [`level`](Lane::level), so the worker that looks finds it, and the
//! hold that it takes moves the item in.
//!
//! # Shutdown
//! `put` looks for "closed" while it holds the container, `close` sets it before it tries to
//! hold. If the closer finds the container held, the holder had not seen "closed": it looks
//! again after it has let go ([`Lane::settle`]), with a fence on both sides, and empties the
//! container itself. So an item that is put into a closed lane comes back, to one side or the
//! other.

use alloc::vec::Vec;

use exec_core::sync::{
    TryLock,
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Release, SeqCst},
        fence,
    },
    seeded,
};

use super::stack::Stack;

/// What a lane can hold.
pub trait Container: Send {
    /// What is put in.
    type Item: Send;
    /// Puts one item in.
    fn put(&mut self, item: Self::Item);
    /// Takes everything out.
    fn take_all(&mut self) -> Vec<Self::Item>;
    /// The number that others may see without holding the container.
    fn level(&self) -> u64;
    /// The number that stands for "look inside".
    const LOOK: u64;
}

/// What became of an item.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Put<I> {
    /// It is in the container.
    In,
    /// It is on the late list.
    Late,
    /// The lane is closed; here it is again.
    Closed(I),
}

/// See the module head.
pub struct Lane<C: Container> {
    container: TryLock<C>,
    /// `level` as of the last hold.
    level: AtomicU64,
    late: Stack<C::Item>,
}

impl<C: Container> Lane<C> {
    /// A lane around `container`.
    pub fn new(container: C) -> Self {
        let level = AtomicU64::new(container.level());
        Self {
            container: TryLock::new(container),
            level,
            late: Stack::new(),
        }
    }

    /// Puts `item` in if nobody holds the container; `None`: somebody does, and the item is still
    /// in the option.
    pub fn try_put(&self, item: &mut Option<C::Item>) -> Option<Put<C::Item>> {
        self.try_with(|container, closed| {
            let item = item.take().expect("invariant: offered once");
            if closed {
                return Put::Closed(item);
            }
            container.put(item);
            Put::In
        })
    }

    /// Puts `item` in, or on the late list when the container is held.
    ///
    /// The caller fences, wakes somebody, and calls [`settle`](Self::settle).
    pub fn put(&self, item: C::Item) -> Put<C::Item> {
        let mut item = Some(item);
        if let Some(put) = self.try_put(&mut item) {
            return put;
        }
        let item = item
            .take()
            .expect("invariant: a lane that is held takes nothing");
        match self.late.push(item) {
            Ok(()) => Put::Late,
            Err(item) => Put::Closed(item),
        }
    }

    /// Uses the container if it is free; the flag says whether the lane is closed.
    pub fn try_with<R>(&self, f: impl FnOnce(&mut C, bool) -> R) -> Option<R> {
        self.container.try_with(|container| {
            let closed = self.late.is_closed();
            if !closed && !self.late.is_empty() {
                for item in self.late.take() {
                    container.put(item);
                }
            }
            let result = f(container, closed);
            // ORDERING: Release pairs with the Acquire of `level`.
            self.level.store(container.level(), Release);
            result
        })
    }

    /// The container's level after its last hold, or [`Container::LOOK`] when there are late
    /// items.
    pub fn level(&self) -> u64 {
        if !self.late.is_empty() {
            return C::LOOK;
        }
        // ORDERING: pairs with the Release of `try_with`.
        self.level.load(Acquire)
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.late.is_closed()
    }

    /// Refuses what comes from now on and takes out what is there.
    pub fn close(&self) -> Vec<C::Item> {
        let mut items = self.late.close();
        items.extend(self.settle());
        items
    }

    /// What a closed lane still holds; nothing when it is open. To be called after each `put`,
    /// so that what was put into a lane while it was being closed is not forgotten there.
    pub fn settle(&self) -> Vec<C::Item> {
        // ORDERING: closer: close, fence, try to hold. Putter: let go, fence, look at "closed".
        // One of the two sees the other.
        if !seeded("lane: settling does not fence") {
            fence(SeqCst);
        }
        if !self.late.is_closed() || seeded("lane: the holder does not look again") {
            return Vec::new();
        }
        self.container
            .try_with(|container| {
                let items = container.take_all();
                self.level.store(container.level(), Release);
                items
            })
            .unwrap_or_default()
    }
}
