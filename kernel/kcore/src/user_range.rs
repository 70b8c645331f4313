//! Which addresses a program may name.

/// Bytes in a page.
pub const PAGE_SIZE: u64 = 4096;
/// The first address past user memory. The last page of the lower half stays unused: a `syscall`
/// instruction at its end would return to an address that is not canonical.
pub const USER_END: u64 = 0x7fff_ffff_f000;

/// A range of addresses that lies wholly in user memory, page 0 excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRange {
    start: u64,
    len: u64,
}

impl UserRange {
    /// The range of `len` bytes from `start`, if all of it is user memory. An empty range is always
    /// one: nothing will be touched.
    #[inline]
    #[must_use]
    pub fn new(start: u64, len: u64) -> Option<Self> {
        if len == 0 {
            return Some(Self { start, len });
        }
        let end = start.checked_add(len)?;
        (start >= PAGE_SIZE && end <= USER_END).then_some(Self { start, len })
    }

    /// The pages of a mapping: starts on a page, not empty, `len` rounded up to whole pages.
    #[must_use]
    pub fn pages(start: u64, len: u64) -> Option<Self> {
        let len = len.checked_next_multiple_of(PAGE_SIZE)?;
        if len == 0 || !start.is_multiple_of(PAGE_SIZE) {
            return None;
        }
        Self::new(start, len)
    }

    /// The first address.
    #[inline]
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// How many bytes.
    #[inline]
    #[must_use]
    pub const fn len(self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The first address past the range.
    #[inline]
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start + self.len
    }

    /// What of the range is not below `start`; may be empty.
    #[must_use]
    pub(crate) fn from(self, start: u64) -> Self {
        let start = start.clamp(self.start, self.end());
        Self {
            start,
            len: self.end() - start,
        }
    }

    /// How many whole pages the range has.
    #[must_use]
    pub const fn page_count(self) -> u64 {
        self.len / PAGE_SIZE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_null_wrapping_and_straddling_ranges_are_refused() {
        for (start, len) in [
            (0, 1),
            (4095, 1),
            (USER_END, 1),
            (USER_END - 1, 2),
            (u64::MAX, 1),
            (u64::MAX, u64::MAX),
            (0x5000, u64::MAX),
            (0x8000_0000_0000, 8),
            (0xffff_ffff_8010_0000, 8),
        ] {
            assert_eq!(UserRange::new(start, len), None, "{start:#x}+{len:#x}");
        }
        assert!(UserRange::new(USER_END - 1, 1).is_some());
        assert!(UserRange::new(0, 0).is_some());
    }

    #[test]
    fn mappings_are_whole_pages() {
        assert_eq!(UserRange::pages(0x5000, 1).map(UserRange::len), Some(4096));
        assert_eq!(
            UserRange::pages(0x5000, 4097).map(UserRange::end),
            Some(0x7000)
        );
        for (start, len) in [
            (0, 4096),
            (0x5001, 1),
            (0x5000, 0),
            (0x5000, u64::MAX),
            (USER_END - 4096, 4097),
        ] {
            assert_eq!(UserRange::pages(start, len), None, "{start:#x}+{len:#x}");
        }
    }
}
