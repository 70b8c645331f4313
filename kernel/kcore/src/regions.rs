//! One mapping of a process: a range of pages with their protection and their contents.

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

#[cfg(test)]
mod tests {
    use super::*;

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
