//! Thread numbers: a slot and a generation, so that an old number is never taken for a new thread.
//!
//! # Protocol
//! A tid is a positive `i32`: the slot in the low [`SLOT_BITS`] bits, the slot's generation above,
//! counted from 1. Freed slots are given out again in the order they were freed, each with the next
//! generation, so a number comes back only after all 2^31 have been used (the generation then
//! starts again at 1).

/// Bits of a tid that name the slot.
const SLOT_BITS: u32 = 12;
/// The greatest generation that leaves a tid positive.
const LAST_GENERATION: u32 = (1 << (31 - SLOT_BITS)) - 1;

/// A thread number that has been given out, or one that a program made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tid(u32);

impl Tid {
    /// The greatest number of slots.
    pub const MAX_SLOTS: usize = 1 << SLOT_BITS;

    /// The tid that a program names, if such a number can exist at all.
    #[inline]
    #[must_use]
    pub fn from_raw(raw: i64) -> Option<Self> {
        if raw >> SLOT_BITS >= 1 && raw <= i64::from(i32::MAX) {
            Some(Self(raw as u32))
        } else {
            None
        }
    }

    /// The number as programs see it: positive, fits an `i32`.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The slot, below [`MAX_SLOTS`](Self::MAX_SLOTS).
    #[inline]
    #[must_use]
    pub const fn slot(self) -> usize {
        self.0 as usize & (Self::MAX_SLOTS - 1)
    }

    const fn generation(self) -> u32 {
        self.0 >> SLOT_BITS
    }

    /// Whether this is an earlier tid of the same slot as `other`.
    #[must_use]
    pub const fn is_older_than(self, other: Self) -> bool {
        self.slot() == other.slot() && self.generation() < other.generation()
    }
}

/// Gives out tids of `N` slots, at most [`Tid::MAX_SLOTS`].
#[derive(Debug)]
pub struct TidAllocator<const N: usize> {
    /// A ring of the tids that may be given out, oldest first; each slot is here or in use.
    free: [Tid; N],
    first: usize,
    count: usize,
}

impl<const N: usize> TidAllocator<N> {
    /// All slots are free.
    #[must_use]
    pub const fn new() -> Self {
        assert!(
            N > 0 && N <= Tid::MAX_SLOTS,
            "a tid has 12 bits for its slot"
        );
        let mut free = [Tid(0); N];
        let mut slot = 0;
        while slot < N {
            free[slot] = Tid(1 << SLOT_BITS | slot as u32);
            slot += 1;
        }
        Self {
            free,
            first: 0,
            count: N,
        }
    }

    /// A tid that no living or unjoined thread has; `None` if all slots are in use.
    #[inline]
    #[must_use]
    pub fn allocate(&mut self) -> Option<Tid> {
        self.count = self.count.checked_sub(1)?;
        let tid = self.free[self.first % N];
        self.first = (self.first + 1) % N;
        Some(tid)
    }

    /// Takes a tid back, once its thread has ended and been joined.
    #[inline]
    pub fn free(&mut self, tid: Tid) {
        let generation = if tid.generation() == LAST_GENERATION {
            1
        } else {
            tid.generation() + 1
        };
        self.free[(self.first + self.count) % N] = Tid(generation << SLOT_BITS | tid.slot() as u32);
        self.count += 1;
    }

    /// How many tids can be given out now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.count
    }
}

impl<const N: usize> Default for TidAllocator<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_positive_and_all_different() {
        let mut tids = TidAllocator::<3>::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let tid = tids.allocate().unwrap();
            assert!(i32::try_from(tid.raw()).unwrap() > 0);
            assert!(seen.insert(tid));
            assert_eq!(Tid::from_raw(i64::from(tid.raw())), Some(tid));
            tids.free(tid);
        }
    }

    #[test]
    fn a_full_table_says_so() {
        let mut tids = TidAllocator::<2>::new();
        let first = tids.allocate().unwrap();
        assert!(tids.allocate().is_some());
        assert_eq!(tids.allocate(), None);
        tids.free(first);
        assert_eq!(tids.available(), 1);
        let again = tids.allocate().unwrap();
        assert_eq!(again.slot(), first.slot());
        assert!(first.is_older_than(again) && !again.is_older_than(first));
    }

    #[test]
    fn the_last_generation_is_followed_by_the_first() {
        let mut tids = TidAllocator::<1>::new();
        tids.free = [Tid(LAST_GENERATION << SLOT_BITS)];
        let last = tids.allocate().unwrap();
        assert!(i32::try_from(last.raw()).is_ok());
        tids.free(last);
        assert_eq!(tids.allocate().unwrap().generation(), 1);
    }

    #[test]
    fn made_up_numbers_are_no_tids() {
        for raw in [
            0,
            1,
            4095,
            -1,
            i64::MIN,
            i64::MAX,
            1 << 31,
            i64::from(u32::MAX),
        ] {
            assert_eq!(Tid::from_raw(raw), None, "{raw}");
        }
        assert!(Tid::from_raw(4096).is_some());
        assert!(Tid::from_raw(i64::from(i32::MAX)).is_some());
    }

    proptest! {
        #[test]
        fn a_number_comes_back_only_after_all_others(
            steps in prop::collection::vec(any::<Option<prop::sample::Index>>(), 0..400),
        ) {
            const SLOTS: usize = 5;
            let mut tids = TidAllocator::<SLOTS>::new();
            let mut living: Vec<Tid> = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for step in steps {
                match step {
                    None => match tids.allocate() {
                        Some(tid) => {
                            prop_assert!(seen.insert(tid), "{tid:?} again");
                            prop_assert!(living.iter().all(|other| other.slot() != tid.slot()));
                            living.push(tid);
                        }
                        None => prop_assert_eq!(living.len(), SLOTS),
                    },
                    Some(which) if !living.is_empty() => {
                        tids.free(living.swap_remove(which.index(living.len())));
                    }
                    Some(_) => {}
                }
                prop_assert_eq!(tids.available(), SLOTS - living.len());
            }
        }
    }
}
