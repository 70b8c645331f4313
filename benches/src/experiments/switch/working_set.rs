//! Memory that is walked over, line by line, each line naming the next.
//!
//! The order is a random cycle through all lines, so that no processor can fetch ahead: a walk takes
//! as long as the caches that its lines are in.

use anyhow::ensure;
use workloads::mix::mix;

/// A cache line.
#[repr(align(64))]
#[derive(Clone, Debug)]
struct Line {
    next: u32,
}

/// A working set.
#[derive(Debug)]
pub(super) struct WorkingSet {
    lines: Vec<Line>,
}

impl WorkingSet {
    /// A set of so many bytes, up to 256 GiB; with less than a line there is nothing to walk over.
    pub(super) fn new(bytes: usize) -> Self {
        let lines = u32::try_from(bytes / size_of::<Line>()).unwrap_or(u32::MAX);
        // Sattolo's shuffle: every line is exchanged with an earlier one, which leaves one cycle.
        let mut next: Vec<_> = (0..lines).collect();
        for at in (1..next.len()).rev() {
            let earlier = mix(at as u64) % at as u64;
            next.swap(
                at,
                usize::try_from(earlier).expect("invariant: less than an index"),
            );
        }
        let lines = next.into_iter().map(|next| Line { next }).collect();
        Self { lines }
    }

    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }

    /// Walks over every line once.
    ///
    /// # Errors
    /// Where the walk did not end where it began: then it was not all of the cycle.
    pub(super) fn walk(&self) -> anyhow::Result<()> {
        let mut at = 0;
        for _ in 0..self.lines.len() {
            at = self.lines[at].next as usize;
        }
        ensure!(std::hint::black_box(at) == 0, "a walk ended at line {at}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_met_once() {
        for lines in [1, 2, 64, 1_000] {
            let set = WorkingSet::new(lines * 64);
            assert_eq!(set.bytes(), lines * 64);
            let mut met = vec![false; lines];
            let mut at = 0;
            for _ in 0..lines {
                assert!(!std::mem::replace(&mut met[at], true), "{at} twice");
                at = set.lines[at].next as usize;
            }
            assert_eq!(at, 0);
            set.walk().expect("a cycle");
        }
    }

    #[test]
    fn nothing_can_be_walked_over() {
        let set = WorkingSet::new(0);
        assert_eq!(set.bytes(), 0);
        set.walk().expect("no line");
    }

    #[test]
    fn a_walk_that_is_no_cycle_is_seen() {
        let set = WorkingSet {
            lines: vec![Line { next: 1 }, Line { next: 1 }],
        };
        assert!(set.walk().is_err());
    }
}
