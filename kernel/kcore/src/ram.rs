//! Who gets which part of physical memory at boot.

use crate::user_range::PAGE_SIZE;

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysRange {
    /// The first address.
    pub start: u64,
    /// The first address past it.
    pub end: u64,
}

impl PhysRange {
    /// How many bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The whole frames in it that have no address in common with any of `used`, below the frame of
    /// `end`: their numbers.
    pub fn frames(self, used: &[Self], end: u64) -> impl Iterator<Item = usize> {
        let frames = self.start.div_ceil(PAGE_SIZE)..self.end.min(end) / PAGE_SIZE;
        let is_free = move |number: &u64| {
            let frame = Self {
                start: number * PAGE_SIZE,
                end: (number + 1) * PAGE_SIZE,
            };
            !used.iter().any(|used| used.overlaps(frame))
        };
        frames.filter(is_free).map(|number| number as usize)
    }
}

/// Where the kernel's heap lies: a quarter of the larger gap between the kernel's end, the initrd and the
/// end of the RAM that holds the kernel, in whole pages, at most `greatest`; none where that is less
/// than `least`.
pub fn heap_place(
    mut ram: impl Iterator<Item = PhysRange>,
    kernel_end: u64,
    initrd: Option<PhysRange>,
    least: u64,
    greatest: u64,
) -> Option<PhysRange> {
    let start = kernel_end.next_multiple_of(PAGE_SIZE);
    let behind = ram.find(|range| range.start <= start && start < range.end)?;
    let all = PhysRange {
        start,
        end: behind.end,
    };
    let gap = match initrd.filter(|initrd| initrd.overlaps(all)) {
        None => all,
        Some(initrd) => {
            let below = PhysRange {
                end: initrd.start,
                ..all
            };
            let above = PhysRange {
                start: initrd.end.next_multiple_of(PAGE_SIZE),
                ..all
            };
            if below.len() >= above.len() {
                below
            } else {
                above
            }
        }
    };
    let len = (gap.len() / 4).min(greatest) / PAGE_SIZE * PAGE_SIZE;
    (len >= least).then_some(PhysRange {
        start: gap.start,
        end: gap.start + len,
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const fn range(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    const MIB: u64 = 1 << 20;

    /// The heap of a machine of 64 MiB whose kernel ends at 2 MiB.
    fn heap(initrd: Option<PhysRange>) -> Option<PhysRange> {
        let ram = [range(0, 0x9_f000), range(MIB, 64 * MIB)];
        heap_place(ram.into_iter(), 2 * MIB - 5, initrd, 4 * MIB, 32 * MIB)
    }

    #[test]
    fn the_heap_lies_beside_the_initrd_wherever_that_is() {
        let quarter = 62 * MIB / 4;
        assert_eq!(heap(None), Some(range(2 * MIB, 2 * MIB + quarter)));
        for (start, end) in [(60, 64), (2, 10), (1, 30), (30, 40), (0, 1)] {
            let initrd = range(start * MIB + 7, end * MIB + 7);
            let heap = heap(Some(initrd)).unwrap();
            assert!(!heap.overlaps(initrd), "{initrd:?}, {heap:?}");
            assert!(heap.start >= 2 * MIB && heap.end <= 64 * MIB && heap.len() >= 4 * MIB);
        }
    }

    #[test]
    fn there_is_no_heap_where_there_is_no_room() {
        assert_eq!(heap(Some(range(10 * MIB, 60 * MIB))), None);
        let elsewhere = [range(0, MIB)];
        assert_eq!(
            heap_place(elsewhere.into_iter(), 2 * MIB, None, 1, MIB),
            None
        );
        let large = heap_place([range(0, 1 << 40)].into_iter(), MIB, None, 1, 32 * MIB);
        assert_eq!(large.map(PhysRange::len), Some(32 * MIB));
    }

    #[test]
    fn only_whole_frames_that_nobody_uses_are_given_out() {
        let used = [range(0, 0x2001), range(0x5fff, 0x6000)];
        let frames: Vec<_> = range(0x1800, 0x9800).frames(&used, u64::MAX).collect();
        assert_eq!(frames, [3, 4, 6, 7, 8]);
        let below: Vec<_> = range(0x1800, 0x9800).frames(&used, 0x7000).collect();
        assert_eq!(below, [3, 4, 6]);
        assert_eq!(range(5, 3).frames(&[], u64::MAX).count(), 0);
    }
}
