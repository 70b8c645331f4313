//! What a process has mapped: ranges of pages with their protection and their contents.

use alloc::vec::Vec;
use core::cell::Cell;

use crate::user_range::UserRange;

/// What a program may do with a page. Writable and executable at once cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// It may be written.
    pub write: bool,
    /// It may be executed.
    pub execute: bool,
}

impl Protection {
    /// Read only.
    pub const READ: Self = Self {
        write: false,
        execute: false,
    };
    /// Read and write.
    pub const READ_WRITE: Self = Self {
        write: true,
        execute: false,
    };
    /// Read and execute.
    pub const READ_EXECUTE: Self = Self {
        write: false,
        execute: true,
    };

    /// From the bits of `mmap`: read 1, write 2, execute 4. Each page is readable.
    ///
    /// Returns `None` for unknown bits, for no bits at all, and for write with execute.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            1 => Some(Self::READ),
            2 | 3 => Some(Self::READ_WRITE),
            4 | 5 => Some(Self::READ_EXECUTE),
            _ => None,
        }
    }
}

/// Bytes of a file that does not change, put at an address.
#[derive(Clone, Copy, Debug)]
pub struct FileBytes<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where the first of them belongs.
    pub address: u64,
}

impl FileBytes<'_> {
    /// Writes what belongs into the page at `address` into `page`; true if that was anything.
    pub fn fill(&self, address: u64, page: &mut [u8]) -> bool {
        let end = self.address + self.bytes.len() as u64;
        let from = address.max(self.address);
        let to = (address + page.len() as u64).min(end);
        if from < to {
            let source = &self.bytes[(from - self.address) as usize..(to - self.address) as usize];
            page[(from - address) as usize..][..source.len()].copy_from_slice(source);
        }
        from < to
    }
}

/// Where the first contents of a page come from; all other bytes are zero.
#[derive(Clone, Copy, Debug)]
pub enum Backing {
    /// Zero pages.
    Zero,
    /// A file, copied.
    File(FileBytes<'static>),
}

impl Backing {
    /// Writes the first contents of the page at `address` into `page`, which is all zero.
    pub fn fill(&self, address: u64, page: &mut [u8]) {
        if let Self::File(file) = self {
            file.fill(address, page);
        }
    }
}

/// One mapping.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Its pages.
    pub range: UserRange,
    /// What programs may do there.
    pub protection: Protection,
    /// Its first contents.
    pub backing: Backing,
    /// Forked processes see one memory here; everywhere else each has its own from its next write on.
    pub shared: bool,
    /// Being unmapped: nothing new is mapped here until every CPU has forgotten the old pages.
    pub dying: bool,
}

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

/// The mappings of one process, by address.
#[derive(Debug, Default)]
pub struct RegionMap {
    /// Sorted, without overlaps.
    regions: Vec<Region>,
    /// Where the last look found something: the next one often finds the same.
    last: Cell<usize>,
}

impl RegionMap {
    /// The greatest number of mappings.
    pub const MAX: usize = 16_384;

    /// No mappings.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            regions: Vec::new(),
            last: Cell::new(0),
        }
    }

    /// The mappings of a forked process: all that are not being unmapped.
    ///
    /// # Errors
    /// [`RegionError::TooMany`] if there is no memory for the copy.
    pub fn duplicate(&self) -> Result<Self, RegionError> {
        let mut regions = Vec::new();
        regions
            .try_reserve_exact(self.regions.len())
            .map_err(|_| RegionError::TooMany)?;
        regions.extend(self.regions.iter().filter(|region| !region.dying).copied());
        Ok(Self {
            regions,
            last: Cell::new(0),
        })
    }

    /// Adds a mapping.
    ///
    /// # Errors
    /// [`RegionError::Overlap`]; [`RegionError::TooMany`], also if there is no memory for its entry.
    pub fn insert(&mut self, region: Region) -> Result<(), RegionError> {
        if self.regions.len() >= Self::MAX {
            return Err(RegionError::TooMany);
        }
        let place = self
            .regions
            .partition_point(|r| r.range.end() <= region.range.start());
        if self
            .regions
            .get(place)
            .is_some_and(|next| next.range.start() < region.range.end())
        {
            return Err(RegionError::Overlap);
        }
        self.regions
            .try_reserve(1)
            .map_err(|_| RegionError::TooMany)?;
        self.regions.insert(place, region);
        Ok(())
    }

    /// The mapping that holds `address` and is not being unmapped.
    #[inline]
    #[must_use]
    pub fn find(&self, address: u64) -> Option<&Region> {
        let holds = |r: &&Region| r.range.start() <= address && address < r.range.end();
        let last = self.regions.get(self.last.get()).filter(holds);
        last.or_else(|| {
            let place = self.regions.partition_point(|r| r.range.end() <= address);
            self.last.set(place);
            self.regions.get(place).filter(holds)
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
        let place = self.place(start).ok_or(RegionError::NotMapped)?;
        let region = &mut self.regions[place];
        if region.dying {
            return Err(RegionError::NotMapped);
        }
        region.dying = true;
        Ok(region.range)
    }

    /// Forgets a mapping after [`begin_unmap`](Self::begin_unmap).
    pub fn finish_unmap(&mut self, start: u64) {
        let place = self
            .place(start)
            .expect("invariant: a dying region stays until here");
        let region = self.regions.remove(place);
        assert!(region.dying, "invariant: unmapping was begun");
    }

    /// Bytes of all mappings, those that are being unmapped included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.iter().map(|region| region.range.len()).sum()
    }

    /// All mappings, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter()
    }

    fn place(&self, start: u64) -> Option<usize> {
        self.regions
            .binary_search_by_key(&start, |r| r.range.start())
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_range::PAGE_SIZE;

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

    #[test]
    fn file_bytes_land_where_they_belong() {
        static BYTES: [u8; 5000] = [7; 5000];
        let backing = Backing::File(FileBytes {
            bytes: &BYTES,
            address: 0x5ff0,
        });
        let filled = |address| {
            let mut page = [0; 4096];
            backing.fill(address, &mut page);
            (
                page.iter().position(|b| *b == 7),
                page.iter().filter(|b| **b == 7).count(),
            )
        };
        assert_eq!(filled(0x4000), (None, 0));
        assert_eq!(filled(0x5000), (Some(0xff0), 16));
        assert_eq!(filled(0x6000), (Some(0), 4096));
        assert_eq!(filled(0x7000), (Some(0), 5000 - 16 - 4096));
        assert_eq!(filled(0x8000), (None, 0));
    }

    #[test]
    fn write_with_execute_cannot_be_said() {
        for bits in [0, 6, 7, 8, u64::MAX] {
            assert_eq!(Protection::from_bits(bits), None);
        }
        assert_eq!(Protection::from_bits(2), Some(Protection::READ_WRITE));
    }
}
