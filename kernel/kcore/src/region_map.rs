//! What a process has mapped, by address.
//!
//! # What it costs
//! The mappings lie in chunks of at most [`CHUNK`], so an entry that comes or goes moves the rest of
//! its chunk and no more, however many there are; chunks come and go once in half a [`CHUNK`] of such
//! steps, because neighbours that fit into half a chunk become one. Looks are binary searches.

use alloc::vec::Vec;
use core::cell::Cell;

use crate::{regions::Region, user_range::UserRange};

/// The most mappings of a chunk.
const CHUNK: usize = 32;

/// Why a region was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The range overlaps a mapping.
    Overlap,
    /// No mapping starts there.
    NotMapped,
    /// There are too many mappings.
    TooMany,
}

/// Where a mapping is: the chunk, and its place in there.
type Place = (usize, usize);

/// The mappings of one process, by address.
#[derive(Debug, Default)]
pub struct RegionMap {
    /// Sorted, without overlaps; no chunk is empty.
    chunks: Vec<Vec<Region>>,
    count: usize,
    bytes: u64,
    /// Where the last look found something: the next one often finds the same.
    last: Cell<Place>,
}

impl RegionMap {
    /// The greatest number of mappings.
    pub const MAX: usize = 16_384;

    /// No mappings.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            count: 0,
            bytes: 0,
            last: Cell::new((0, 0)),
        }
    }

    /// The mappings of a forked process: all that are not being unmapped.
    ///
    /// # Errors
    /// [`RegionError::TooMany`] if there is no memory for the copy.
    pub fn duplicate(&self) -> Result<Self, RegionError> {
        let mut copy = Self::new();
        reserve(&mut copy.chunks, self.chunks.len())?;
        for chunk in &self.chunks {
            let mut new = Vec::new();
            reserve(&mut new, chunk.len())?;
            new.extend(chunk.iter().filter(|region| !region.dying).copied());
            copy.count += new.len();
            copy.bytes += new.iter().map(|region| region.range.len()).sum::<u64>();
            if !new.is_empty() {
                copy.chunks.push(new);
            }
        }
        Ok(copy)
    }

    /// Adds a mapping.
    ///
    /// # Errors
    /// [`RegionError::Overlap`]; [`RegionError::TooMany`], also if there is no memory for its entry.
    pub fn insert(&mut self, region: Region) -> Result<(), RegionError> {
        if self.count >= Self::MAX {
            return Err(RegionError::TooMany);
        }
        let place = self.first_ending_after(region.range.start());
        if let Some(next) = self.get(place)
            && next.range.start() < region.range.end()
        {
            return Err(RegionError::Overlap);
        }
        let (chunk, index) = self.make_room(place)?;
        self.chunks[chunk].insert(index, region);
        self.count += 1;
        self.bytes += region.range.len();
        Ok(())
    }

    /// The mapping that holds `address` and is not being unmapped.
    #[inline]
    #[must_use]
    pub fn find(&self, address: u64) -> Option<&Region> {
        let holds = |r: &&Region| r.range.start() <= address && address < r.range.end();
        let last = self.get(self.last.get()).filter(holds);
        last.or_else(|| {
            let place = self.first_ending_after(address);
            self.last.set(place);
            self.get(place).filter(holds)
        })
        .filter(|r| !r.dying)
    }

    /// Whether every page of `range` is mapped, for writing if `write`.
    #[must_use]
    pub fn allows(&self, range: UserRange, write: bool) -> bool {
        let mut address = range.start();
        while address < range.end() {
            match self.find(address) {
                Some(region) if region.protection.write || !write => address = region.range.end(),
                _ => return false,
            }
        }
        true
    }

    /// Marks the mapping that starts at `start` as being unmapped; returns its pages.
    ///
    /// # Errors
    /// [`RegionError::NotMapped`] if none starts there, or it is being unmapped already.
    pub fn begin_unmap(&mut self, start: u64) -> Result<UserRange, RegionError> {
        let (chunk, index) = self.starting_at(start).ok_or(RegionError::NotMapped)?;
        let region = &mut self.chunks[chunk][index];
        if region.dying {
            return Err(RegionError::NotMapped);
        }
        region.dying = true;
        Ok(region.range)
    }

    /// Forgets a mapping after [`begin_unmap`](Self::begin_unmap).
    ///
    /// # Panics
    /// If unmapping it was not begun.
    pub fn finish_unmap(&mut self, start: u64) {
        let (chunk, index) = self
            .starting_at(start)
            .expect("invariant: a dying region stays until here");
        let region = self.chunks[chunk].remove(index);
        assert!(region.dying, "invariant: unmapping was begun");
        self.count -= 1;
        self.bytes -= region.range.len();
        self.join_to_next(chunk);
        if chunk > 0 {
            self.join_to_next(chunk - 1);
        }
    }

    /// Bytes of all mappings, those that are being unmapped included.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All mappings, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.chunks.iter().flatten()
    }

    #[inline]
    fn get(&self, (chunk, index): Place) -> Option<&Region> {
        self.chunks.get(chunk)?.get(index)
    }

    /// The first mapping that ends after `address`; without one, the place behind the last chunk.
    fn first_ending_after(&self, address: u64) -> Place {
        let ends_before = |region: &Region| region.range.end() <= address;
        let chunk = self
            .chunks
            .partition_point(|chunk| chunk.last().is_none_or(ends_before));
        let index = self
            .chunks
            .get(chunk)
            .map_or(0, |chunk| chunk.partition_point(ends_before));
        (chunk, index)
    }

    fn starting_at(&self, start: u64) -> Option<Place> {
        let place = self.first_ending_after(start);
        (self.get(place)?.range.start() == start).then_some(place)
    }

    /// Makes room for an entry before `place`; returns where that is then.
    fn make_room(&mut self, (chunk, index): Place) -> Result<Place, RegionError> {
        // Behind all others: a full last chunk stays full, since what grows grows at its end.
        let (chunk, index) = match (chunk == self.chunks.len(), self.chunks.last()) {
            (true, Some(last)) if last.len() < CHUNK => (chunk - 1, last.len()),
            _ => (chunk, index),
        };
        let Some(entries) = self.chunks.get_mut(chunk) else {
            let mut new = Vec::new();
            reserve(&mut new, 1)?;
            reserve(&mut self.chunks, 1)?;
            self.chunks.push(new);
            return Ok((chunk, 0));
        };
        if entries.len() < CHUNK {
            reserve(entries, 1)?;
            return Ok((chunk, index));
        }
        let mut upper = Vec::new();
        reserve(&mut upper, CHUNK)?;
        reserve(&mut self.chunks, 1)?;
        let entries = &mut self.chunks[chunk];
        upper.extend(entries.drain(CHUNK / 2..));
        self.chunks.insert(chunk + 1, upper);
        Ok(match index.checked_sub(CHUNK / 2) {
            Some(above) => (chunk + 1, above),
            None => (chunk, index),
        })
    }

    /// Removes a chunk that is empty, or makes one of it and the next if they fit into half of one; as
    /// they are if there is no memory for that.
    fn join_to_next(&mut self, chunk: usize) {
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
            return;
        }
        let Some(next) = self.chunks.get(chunk + 1) else {
            return;
        };
        let moved = next.len();
        if self.chunks[chunk].len() + moved <= CHUNK / 2
            && reserve(&mut self.chunks[chunk], moved).is_ok()
        {
            let mut next = self.chunks.remove(chunk + 1);
            self.chunks[chunk].append(&mut next);
        }
    }
}

fn reserve<T>(entries: &mut Vec<T>, more: usize) -> Result<(), RegionError> {
    entries.try_reserve(more).map_err(|_| RegionError::TooMany)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        regions::{Backing, Protection},
        user_range::PAGE_SIZE,
    };

    fn region(start: u64, pages: u64, protection: Protection) -> Region {
        let range = UserRange::pages(start, pages * PAGE_SIZE).unwrap();
        Region {
            range,
            protection,
            backing: Backing::Zero,
            shared: false,
            dying: false,
        }
    }

    #[test]
    fn overlaps_are_refused_and_gaps_are_not_mapped() {
        let mut map = RegionMap::new();
        map.insert(region(0x5000, 2, Protection::READ_WRITE))
            .unwrap();
        map.insert(region(0x8000, 1, Protection::READ)).unwrap();
        map.insert(region(0x7000, 1, Protection::READ_EXECUTE))
            .unwrap();
        for (start, pages) in [
            (0x4000, 2),
            (0x6000, 1),
            (0x5000, 2),
            (0x4000, 9),
            (0x8000, 1),
        ] {
            let overlap = map.insert(region(start, pages, Protection::READ));
            assert_eq!(overlap, Err(RegionError::Overlap), "{start:#x}");
        }
        assert!(map.find(0x4fff).is_none() && map.find(0x9000).is_none());
        assert_eq!(map.find(0x6fff).unwrap().range.start(), 0x5000);
        assert!(map.allows(UserRange::new(0x5001, 0x3000).unwrap(), false));
        assert!(map.allows(UserRange::new(0x5001, 0x1fff).unwrap(), true));
        assert!(!map.allows(UserRange::new(0x5001, 0x2000).unwrap(), true));
        assert!(!map.allows(UserRange::new(0x8fff, 2).unwrap(), false));
    }

    #[test]
    fn an_unmapped_range_stays_taken_until_the_end() {
        let mut map = RegionMap::new();
        map.insert(region(0x5000, 1, Protection::READ_WRITE))
            .unwrap();
        assert_eq!(map.begin_unmap(0x6000), Err(RegionError::NotMapped));
        assert_eq!(map.begin_unmap(0x5000).map(UserRange::page_count), Ok(1));
        assert_eq!(map.begin_unmap(0x5000), Err(RegionError::NotMapped));
        assert!(map.find(0x5000).is_none());
        assert_eq!(
            map.insert(region(0x5000, 1, Protection::READ)),
            Err(RegionError::Overlap)
        );
        map.finish_unmap(0x5000);
        map.insert(region(0x5000, 1, Protection::READ)).unwrap();
        assert_eq!(map.iter().count(), 1);
    }

    /// What makes each step cheap: no long chunk, no empty one, no two that should be one.
    fn check(map: &RegionMap) {
        for chunk in &map.chunks {
            assert!((1..=CHUNK).contains(&chunk.len()), "{}", chunk.len());
        }
        for pair in map.chunks.windows(2) {
            assert!(pair[0].len() + pair[1].len() > CHUNK / 2);
        }
        let starts: Vec<u64> = map.iter().map(|region| region.range.start()).collect();
        assert!(starts.is_sorted_by(|a, b| a < b));
        assert_eq!(map.count, starts.len());
    }

    #[test]
    fn many_mappings_that_come_and_go_in_any_order_stay_in_short_chunks() {
        const MANY: u64 = 1000;
        let address = |number: u64| (number + 1) * 2 * PAGE_SIZE;
        type Order = fn(u64) -> u64;
        let up: Order = |step| step;
        let down: Order = |step| MANY - 1 - step;
        let mixed: Order = |step| step * 557 % MANY;
        for (come, go) in [(up, up), (up, down), (down, up), (mixed, up), (up, mixed)] {
            let mut map = RegionMap::new();
            for step in 0..MANY {
                map.insert(region(address(come(step)), 1, Protection::READ))
                    .unwrap();
                check(&map);
            }
            assert_eq!(map.bytes(), MANY * PAGE_SIZE);
            assert!(map.chunks.len() as u64 <= MANY / (CHUNK as u64 / 4));
            for step in 0..MANY {
                map.begin_unmap(address(go(step))).unwrap();
                map.finish_unmap(address(go(step)));
                check(&map);
            }
            assert_eq!((map.bytes(), map.chunks.len()), (0, 0));
        }
    }

    #[test]
    fn the_greatest_number_is_held_to() {
        let mut map = RegionMap::new();
        for number in 1..=RegionMap::MAX as u64 {
            map.insert(region(number * PAGE_SIZE, 1, Protection::READ))
                .unwrap();
        }
        let one_more = region(PAGE_SIZE << 20, 1, Protection::READ);
        assert_eq!(map.insert(one_more), Err(RegionError::TooMany));
        map.begin_unmap(PAGE_SIZE).unwrap();
        map.finish_unmap(PAGE_SIZE);
        assert_eq!(map.insert(one_more), Ok(()));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u64),
        Begin(u64),
        Finish(u64),
        Duplicate,
    }

    fn step() -> impl Strategy<Value = Step> {
        let page = 1..400_u64;
        prop_oneof![
            6 => (page.clone(), 1..4_u64).prop_map(|(page, pages)| Step::Insert(page, pages)),
            3 => page.clone().prop_map(Step::Begin),
            3 => page.prop_map(Step::Finish),
            1 => Just(Step::Duplicate),
        ]
    }

    proptest! {
        #[test]
        fn the_map_is_as_a_plain_tree(steps in prop::collection::vec(step(), 0..300)) {
            let mut map = RegionMap::new();
            // By first page: how many, and whether it is being unmapped.
            let mut model: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(page, pages) => {
                        let free = model
                            .range(..page + pages)
                            .next_back()
                            .is_none_or(|(start, (len, _))| start + len <= page);
                        let inserted = map.insert(region(page * PAGE_SIZE, pages, Protection::READ));
                        let expected = if free { Ok(()) } else { Err(RegionError::Overlap) };
                        prop_assert_eq!(inserted, expected);
                        if free {
                            model.insert(page, (pages, false));
                        }
                    }
                    Step::Begin(page) => {
                        let begun = map.begin_unmap(page * PAGE_SIZE).map(UserRange::page_count);
                        let expected = match model.get_mut(&page) {
                            Some((pages, dying @ false)) => {
                                *dying = true;
                                Ok(*pages)
                            }
                            _ => Err(RegionError::NotMapped),
                        };
                        prop_assert_eq!(begun, expected);
                    }
                    Step::Finish(page) => {
                        if let Some((_, true)) = model.get(&page) {
                            map.finish_unmap(page * PAGE_SIZE);
                            model.remove(&page);
                        }
                    }
                    Step::Duplicate => {
                        map = map.duplicate().unwrap();
                        model.retain(|_, (_, dying)| !*dying);
                    }
                }
                let bytes: u64 = model.values().map(|(pages, _)| pages * PAGE_SIZE).sum();
                prop_assert_eq!(map.bytes(), bytes);
            }
            for page in 0..404 {
                let found = map.find(page * PAGE_SIZE).map(|region| region.range.start());
                let expected = model
                    .range(..=page)
                    .next_back()
                    .filter(|(start, (len, dying))| page < *start + len && !dying);
                prop_assert_eq!(found, expected.map(|(start, _)| start * PAGE_SIZE));
            }
            check_after_copies(&map);
        }
    }

    /// A copy leaves out what dies, so its chunks may be short; all else holds.
    fn check_after_copies(map: &RegionMap) {
        for chunk in &map.chunks {
            assert!((1..=CHUNK).contains(&chunk.len()));
        }
    }
}
