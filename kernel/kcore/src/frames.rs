//! Which frames of physical memory are free: one bit each.

use alloc::{boxed::Box, vec};

/// The free frames, numbered from 0.
#[derive(Debug)]
pub struct FrameBitmap {
    /// A set bit is a free frame.
    words: Box<[u64]>,
    /// No word before this one has a free frame.
    first: usize,
    free: usize,
}

impl FrameBitmap {
    /// A map of `frames` frames, none of them free.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        let words = vec![0; frames.div_ceil(64)].into_boxed_slice();
        Self {
            first: words.len(),
            words,
            free: 0,
        }
    }

    /// Takes a free frame, the lowest.
    #[must_use]
    pub fn allocate(&mut self) -> Option<usize> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                self.free -= 1;
                return Some(self.first * 64 + bit);
            }
            self.first += 1;
        }
        None
    }

    /// Gives a frame back.
    ///
    /// # Panics
    /// If it is free already or not in the map: somebody freed what was not theirs.
    pub fn release(&mut self, frame: usize) {
        let word = &mut self.words[frame / 64];
        let bit = 1 << (frame % 64);
        assert!(*word & bit == 0, "frame {frame:#x} is freed twice");
        *word |= bit;
        self.first = self.first.min(frame / 64);
        self.free += 1;
    }

    /// How many frames are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::BTreeSet, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gives_each_frame_once_and_takes_it_back() {
        let mut frames = FrameBitmap::new(130);
        assert_eq!(frames.allocate(), None);
        (1..130).for_each(|frame| frames.release(frame));
        let mut taken: std::vec::Vec<_> = core::iter::from_fn(|| frames.allocate()).collect();
        assert_eq!(frames.free(), 0);
        taken.sort_unstable();
        assert_eq!(taken, (1..130).collect::<std::vec::Vec<_>>());
        frames.release(77);
        assert_eq!(frames.free(), 1);
        assert_eq!(frames.allocate(), Some(77));
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn a_double_free_is_caught() {
        let mut frames = FrameBitmap::new(64);
        frames.release(5);
        frames.release(5);
    }

    proptest! {
        #[test]
        fn the_map_is_as_a_plain_set(
            count in 1..200_usize,
            steps in prop::collection::vec(any::<Option<prop::sample::Index>>(), 0..400),
        ) {
            let mut frames = FrameBitmap::new(count);
            let mut free = BTreeSet::new();
            let mut taken: Vec<usize> = (0..count).collect();
            for step in steps {
                match step {
                    None => {
                        let frame = frames.allocate();
                        prop_assert_eq!(frame, free.pop_first());
                        taken.extend(frame);
                    }
                    Some(which) if !taken.is_empty() => {
                        let frame = taken.swap_remove(which.index(taken.len()));
                        frames.release(frame);
                        free.insert(frame);
                    }
                    Some(_) => {}
                }
                prop_assert_eq!(frames.free(), free.len());
            }
        }
    }
}
