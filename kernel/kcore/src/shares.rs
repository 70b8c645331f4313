//! Frames with more than one owner: memory that processes share until one of them writes.
//!
//! # States
//! For each frame, how many owners it has beside the first. Zero: whoever owns it is alone.
//!
//! # Protocol
//! Only an owner makes another one ([`share`](FrameShares::share)), so the count of a frame that is
//! owned by one cannot rise behind that owner's back: what [`is_sole`](FrameShares::is_sole) says
//! stays true as long as the owner makes no other. An owner that goes calls
//! [`give_up`](FrameShares::give_up); the one who is told `true` was the last and frees the frame.
//!
//! # Why nothing is freed twice, and nothing lost
//! Two owners that give up at once both start from one; the read-modify-write lets one take it to
//! zero, and the other one then finds zero and knows that it is the last.

use alloc::boxed::Box;

use crate::sync::{AtomicU32, Ordering, seeded};

/// The owners of each frame beside its first.
#[derive(Debug)]
pub struct FrameShares {
    more: Box<[AtomicU32]>,
}

impl FrameShares {
    /// `frames` frames, each with at most one owner.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        Self {
            more: (0..frames).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Adds an owner; the caller is one.
    #[inline]
    pub fn share(&self, frame: usize) {
        // ORDERING: Relaxed: the caller's share keeps the frame; the new one is handed on under a lock.
        self.more[frame].fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up the caller's share; true if it was the last.
    #[inline]
    #[must_use]
    pub fn give_up(&self, frame: usize) -> bool {
        let more = &self.more[frame];
        // ORDERING: Acquire pairs with the Release below: the last owner sees what the others did.
        let mut now = more.load(Ordering::Acquire);
        if seeded("a share is given up in two steps") {
            if now > 0 {
                more.store(now - 1, Ordering::Release);
            }
            return now == 0;
        }
        while now > 0 {
            // ORDERING: Release pairs with the Acquire of the last owner.
            match more.compare_exchange(now, now - 1, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return false,
                Err(found) => now = found,
            }
        }
        true
    }

    /// Whether the caller, an owner, is the only one.
    #[inline]
    #[must_use]
    pub fn is_sole(&self, frame: usize) -> bool {
        // ORDERING: Acquire pairs with `give_up`: what the other owners did with the frame is over.
        self.more[frame].load(Ordering::Acquire) == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_three_owners_frees() {
        let shares = FrameShares::new(2);
        assert!(shares.is_sole(1));
        shares.share(1);
        shares.share(1);
        assert!(!shares.is_sole(1) && shares.is_sole(0));
        assert!(!shares.give_up(1));
        assert!(!shares.give_up(1));
        assert!(shares.is_sole(1));
        assert!(shares.give_up(1));
        assert!(shares.give_up(0));
    }
}
