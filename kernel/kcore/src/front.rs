//! The front of a CPU's run queue: room for one ready thread, without a lock.
//!
//! # States
//! Empty, or one thread, named by a word that is not 0. Only the CPU that owns the queue puts one in,
//! and only while nobody else is ready there; so the thread in here is the one that came first. Anybody
//! takes it out.
//!
//! # Protocol
//! Owner: if it [is empty](FrontWord::is_empty), and so is the queue behind it, [`put`](FrontWord::put). Owner or
//! thief: [`take`](FrontWord::take); who gets the word runs the thread.
//!
//! # Why nothing is lost
//! Taking is one exchange, so a thread goes to one taker. So is putting, though it finds nothing: between
//! the owner's look and that nobody else can fill the place, since only the owner does. An idle CPU that goes to
//! sleep while a thread is put in is woken as for any other work, see [`IdleSet`](crate::IdleSet).

use core::num::NonZeroU64;

use crate::sync::{AtomicU64, Ordering, seeded};

/// See the module.
#[derive(Debug)]
pub struct FrontWord {
    word: AtomicU64,
}

impl FrontWord {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
        }
    }

    /// Whether there is nobody in it: for the owner exact, for others a hint.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: the owner's own stores are its past; a thief looks after the fence of
        // `IdleSet::announce`, or finds out later.
        self.word.load(Ordering::Relaxed) == 0
    }

    /// Puts a thread in; for the owner, who has found it empty.
    #[inline]
    pub fn put(&self, word: NonZeroU64) {
        // ORDERING: Release pairs with `take`: the thread's registers and accounts are seen. An exchange,
        // so that the word has one order of changes.
        let old = self.word.swap(word.get(), Ordering::Release);
        debug_assert!(old == 0, "invariant: the owner has found it empty");
    }

    /// Takes the thread out, if there is one.
    #[inline]
    #[must_use]
    pub fn take(&self) -> Option<NonZeroU64> {
        if seeded("two take one thread") {
            let word = self.word.load(Ordering::Acquire);
            self.word.store(0, Ordering::Relaxed);
            return NonZeroU64::new(word);
        }
        // ORDERING: Acquire pairs with `put`.
        NonZeroU64::new(self.word.swap(0, Ordering::Acquire))
    }
}

impl Default for FrontWord {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_once() {
        let front = FrontWord::new();
        assert!(front.is_empty() && front.take().is_none());
        let word = NonZeroU64::new(7).unwrap();
        front.put(word);
        assert!(!front.is_empty());
        assert_eq!(front.take(), Some(word));
        assert!(front.is_empty() && front.take().is_none());
    }
}
