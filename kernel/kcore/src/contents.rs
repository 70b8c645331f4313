//! The bytes of a file: those it came with, and over them the pages that were written.
//!
//! A file starts as bytes that never change (the archive's). A write makes a page of its own with the
//! old bytes in it and changes that; what was never written costs nothing, and reads as the first
//! bytes, or as zeros past their end. So a file grows without being copied, and has holes.
//!
//! Where pages come from is the user's business: `P` is a page, and a closure makes one or refuses.

use alloc::vec::Vec;

/// Bytes in a page of a file.
const PAGE: usize = 4096;

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// The bytes of one file.
#[derive(Debug)]
pub struct Contents<P> {
    first: &'static [u8],
    len: usize,
    /// By page number; none where only `first` and zeros are.
    pages: Vec<Option<P>>,
}

impl<P: AsRef<[u8]> + AsMut<[u8]>> Contents<P> {
    /// The greatest length.
    pub const MAX: usize = 32 << 20;

    /// A file that starts with these bytes.
    #[must_use]
    pub const fn new(first: &'static [u8]) -> Self {
        Self {
            first,
            len: first.len(),
            pages: Vec::new(),
        }
    }

    /// Its length.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All its bytes, as long as nobody has written to it.
    #[must_use]
    pub fn untouched(&self) -> Option<&'static [u8]> {
        (self.pages.is_empty() && self.len == self.first.len()).then_some(self.first)
    }

    /// Copies bytes from `at` on into `buffer`; returns how many there are, 0 at the end.
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> usize {
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(self.len);
        let count = buffer.len().min(self.len - at);
        let mut done = 0;
        while done < count {
            let (page, offset) = ((at + done) / PAGE, (at + done) % PAGE);
            let piece = (count - done).min(PAGE - offset);
            let to = &mut buffer[done..done + piece];
            match self.pages.get(page).and_then(Option::as_ref) {
                Some(page) => to.copy_from_slice(&page.as_ref()[offset..offset + piece]),
                None => copy_padded(self.first, at + done, to),
            }
            done += piece;
        }
        count
    }

    /// Writes `bytes` at `at`, past the end if need be; returns how many were written, which are
    /// fewer only if `make_page` made no more pages, or the greatest length is reached.
    ///
    /// # Errors
    /// [`NoRoom`] if not one byte was written.
    pub fn write(
        &mut self,
        at: u64,
        bytes: &[u8],
        mut make_page: impl FnMut() -> Option<P>,
    ) -> Result<usize, NoRoom> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let count = bytes.len().min(Self::MAX.saturating_sub(at));
        let mut done = 0;
        while done < count {
            let (page, offset) = ((at + done) / PAGE, (at + done) % PAGE);
            let piece = (count - done).min(PAGE - offset);
            let Some(page) = self.own_page(page, &mut make_page) else {
                break;
            };
            page.as_mut()[offset..offset + piece].copy_from_slice(&bytes[done..done + piece]);
            done += piece;
            self.len = self.len.max(at + done);
        }
        if done == 0 && !bytes.is_empty() {
            return Err(NoRoom);
        }
        Ok(done)
    }

    /// The page of this number as one that can be written.
    fn own_page(&mut self, number: usize, make_page: impl FnOnce() -> Option<P>) -> Option<&mut P> {
        if number >= self.pages.len() {
            let more = number + 1 - self.pages.len();
            self.pages.try_reserve(more).ok()?;
            self.pages.resize_with(number + 1, || None);
        }
        let place = &mut self.pages[number];
        if place.is_none() {
            let mut page = make_page()?;
            copy_padded(self.first, number * PAGE, page.as_mut());
            *place = Some(page);
        }
        place.as_mut()
    }
}

/// Copies what `bytes` has from `at` on; zeros behind its end.
fn copy_padded(bytes: &[u8], at: usize, to: &mut [u8]) {
    let there = bytes.get(at..).unwrap_or_default();
    let count = there.len().min(to.len());
    to[..count].copy_from_slice(&there[..count]);
    to[count..].fill(0);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{boxed::Box, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    type Page = Box<[u8]>;

    fn page() -> Option<Page> {
        // Not zero: a page must be filled by the one who takes it.
        Some(vec![0xaa; PAGE].into())
    }

    fn all(contents: &Contents<Page>) -> Vec<u8> {
        let mut bytes = vec![0x55; contents.len() + 10];
        let count = contents.read(0, &mut bytes);
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn a_refused_page_ends_the_write_and_keeps_what_was_written() {
        let mut left = 1;
        let mut make = || {
            left -= 1;
            if left >= 0 { page() } else { None }
        };
        let mut contents = Contents::new(b"first");
        assert_eq!(contents.write(4090, &[1; 10], &mut make), Ok(6));
        assert_eq!(contents.len(), 4096);
        assert_eq!(contents.write(4096, &[1; 10], &mut make), Err(NoRoom));
        assert_eq!(contents.len(), 4096);
        assert_eq!(contents.write(0, b"F", &mut make), Ok(1));
        assert_eq!(all(&contents)[..6], *b"First\0");
        assert_eq!(contents.write(9000, b"", &mut make), Ok(0));
        assert_eq!(contents.len(), 4096, "nothing written, nothing longer");
    }

    #[test]
    fn the_greatest_length_is_kept() {
        let mut contents = Contents::<Page>::new(b"");
        let max = Contents::<Page>::MAX as u64;
        assert_eq!(contents.write(max, b"x", page), Err(NoRoom));
        assert_eq!(contents.write(u64::MAX, b"x", page), Err(NoRoom));
        assert_eq!(contents.write(max - 1, b"xy", page), Ok(1));
        assert_eq!(contents.len() as u64, max);
        assert_eq!(contents.read(u64::MAX, &mut [0; 4]), 0);
    }

    #[test]
    fn untouched_bytes_are_lent_until_the_first_write() {
        static FIRST: &[u8] = b"text";
        let mut contents = Contents::<Page>::new(FIRST);
        assert_eq!(contents.untouched(), Some(FIRST));
        contents.write(0, b"T", page).unwrap();
        assert_eq!(contents.untouched(), None);
    }

    static FIRST: [u8; 6000] = [3; 6000];

    proptest! {
        #[test]
        fn behaves_like_a_plain_vector(
            writes in proptest::collection::vec((0..20_000usize, 0..9000usize, any::<u8>()), 0..8),
            reads in proptest::collection::vec((0..30_000usize, 0..9000usize), 0..8),
            first in 0..FIRST.len(),
        ) {
            let mut contents = Contents::<Page>::new(&FIRST[..first]);
            let mut plain = FIRST[..first].to_vec();
            for (at, len, value) in writes {
                let bytes = vec![value; len];
                prop_assert_eq!(contents.write(at as u64, &bytes, page), Ok(len));
                if len > 0 {
                    plain.resize(plain.len().max(at + len), 0);
                    plain[at..at + len].copy_from_slice(&bytes);
                }
            }
            prop_assert!(all(&contents) == plain);
            for (at, len) in reads {
                let mut buffer = vec![0x55; len];
                let count = contents.read(at as u64, &mut buffer);
                let there = plain.get(at..).unwrap_or_default();
                let expected = &there[..there.len().min(len)];
                prop_assert!(buffer[..count] == *expected);
            }
        }
    }
}
