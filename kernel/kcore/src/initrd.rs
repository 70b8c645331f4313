//! The initial file system: a cpio archive of the `newc` kind.
//!
//! A header is 110 bytes: the magic `070701` (or `070702`, with a checksum that is not used) and 13
//! fields of 8 hexadecimal digits. The name follows, with its NUL, up to a multiple of 4 from the
//! header's start; then the data, up to a multiple of 4. An entry `TRAILER!!!` ends the archive.

use alloc::vec::Vec;
use core::fmt;

const HEADER_LEN: usize = 110;
const FIELD_MODE: usize = 1;
const FIELD_FILE_SIZE: usize = 6;
const FIELD_NAME_SIZE: usize = 11;
const MODE_TYPE: u32 = 0o170_000;
const MODE_DIRECTORY: u32 = 0o040_000;
const MODE_REGULAR: u32 = 0o100_000;
const TRAILER: &[u8] = b"TRAILER!!!";

/// What is wrong with an archive, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitrdError {
    /// There is no archive at all.
    Missing,
    /// No header where one must be.
    BadMagic(usize),
    /// A header field is no hexadecimal number.
    BadField(usize),
    /// A name is empty or does not end with a NUL.
    BadName(usize),
    /// The archive ends inside an entry, or before its trailer.
    Truncated(usize),
}

impl fmt::Display for InitrdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "there is none; pass one with -initrd"),
            Self::BadMagic(at) => write!(f, "no cpio newc header at byte {at}"),
            Self::BadField(at) => write!(
                f,
                "the header at byte {at} has a field that is no hexadecimal number"
            ),
            Self::BadName(at) => write!(f, "the entry at byte {at} has no proper name"),
            Self::Truncated(at) => write!(f, "the archive is truncated in the entry at byte {at}"),
        }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file with contents.
    File,
    /// A directory.
    Directory,
}

/// One file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The path without leading `/` or `./`.
    pub path: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// The contents; empty for a directory.
    pub data: &'a [u8],
}

/// An archive that has been checked from the first byte to its trailer.
#[derive(Debug)]
pub struct Initrd<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> Initrd<'a> {
    /// Reads an archive. Entries that are neither files nor directories are left out.
    ///
    /// # Errors
    /// What is wrong, with the byte where the entry starts.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InitrdError> {
        if bytes.is_empty() {
            return Err(InitrdError::Missing);
        }
        let mut entries = Vec::new();
        let mut at = 0;
        loop {
            let header = bytes
                .get(at..at + HEADER_LEN)
                .ok_or(InitrdError::Truncated(at))?;
            if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
                return Err(InitrdError::BadMagic(at));
            }
            let name_len =
                field(header, FIELD_NAME_SIZE).ok_or(InitrdError::BadField(at))? as usize;
            let data_len =
                field(header, FIELD_FILE_SIZE).ok_or(InitrdError::BadField(at))? as usize;
            let mode = field(header, FIELD_MODE).ok_or(InitrdError::BadField(at))?;

            let name_at = at + HEADER_LEN;
            let name = bytes
                .get(name_at..name_at + name_len)
                .ok_or(InitrdError::Truncated(at))?;
            let [name @ .., 0] = name else {
                return Err(InitrdError::BadName(at));
            };
            if name.is_empty() || name.contains(&0) {
                return Err(InitrdError::BadName(at));
            }
            if name == TRAILER {
                return Ok(Self { entries });
            }
            let data_at = (name_at + name_len).next_multiple_of(4);
            let data = bytes
                .get(data_at..data_at + data_len)
                .ok_or(InitrdError::Truncated(at))?;
            let path = normal(name);
            match mode & MODE_TYPE {
                MODE_REGULAR => entries.push(Entry {
                    path,
                    kind: Kind::File,
                    data,
                }),
                MODE_DIRECTORY if !path.is_empty() => {
                    entries.push(Entry {
                        path,
                        kind: Kind::Directory,
                        data: &[],
                    });
                }
                _ => {}
            }
            at = (data_at + data_len).next_multiple_of(4);
        }
    }

    /// The entry at `path`; leading `/` and `./` do not matter. A later entry hides an earlier one.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<Entry<'a>> {
        let path = normal(path);
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.path == path)
            .copied()
    }

    /// All entries, in the archive's order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter()
    }
}

/// A header field; none if it is no number.
fn field(header: &[u8], index: usize) -> Option<u32> {
    let digits = &header[6 + index * 8..][..8];
    digits.iter().try_fold(0u32, |value, digit| {
        Some(value << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// A path without leading `/` and `./` and without trailing `/`.
fn normal(mut path: &[u8]) -> &[u8] {
    loop {
        path = match path {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] | [rest @ .., b'/'] => rest,
            [b'.'] => &[],
            _ => return path,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{format, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn push(archive: &mut Vec<u8>, name: &str, mode: u32, data: &[u8]) {
        let mut header = format!("070701{:08x}{mode:08x}", 0);
        for value in [0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0] {
            header += &format!("{value:08x}");
        }
        archive.extend(header.as_bytes());
        archive.extend(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }

    fn archive() -> Vec<u8> {
        let mut archive = Vec::new();
        push(&mut archive, ".", 0o040_755, b"");
        push(&mut archive, "./bin", 0o040_755, b"");
        push(&mut archive, "bin/hello", 0o100_755, b"ELF?!");
        push(&mut archive, "text", 0o100_644, b"");
        push(&mut archive, "link", 0o120_777, b"text");
        push(&mut archive, "TRAILER!!!", 0, b"");
        archive
    }

    #[test]
    fn finds_files_by_any_spelling() {
        let bytes = archive();
        let initrd = Initrd::parse(&bytes).unwrap();
        for path in ["bin/hello", "/bin/hello", "./bin/hello", "//./bin/hello"] {
            assert_eq!(
                initrd.find(path.as_bytes()).unwrap().data,
                b"ELF?!",
                "{path}"
            );
        }
        assert_eq!(initrd.find(b"/bin/").unwrap().kind, Kind::Directory);
        assert_eq!(initrd.find(b"text").unwrap().data, b"");
        assert_eq!(initrd.find(b"link"), None);
        assert_eq!(initrd.iter().count(), 3);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = archive();
        let trailer_end = bytes.windows(10).rposition(|w| w == TRAILER).unwrap() + 11;
        assert!(matches!(Initrd::parse(&[]), Err(InitrdError::Missing)));
        for len in 1..trailer_end {
            assert!(Initrd::parse(&bytes[..len]).is_err(), "{len}");
        }
        assert!(Initrd::parse(&bytes[..trailer_end]).is_ok());
    }

    #[test]
    fn every_corrupt_byte_is_survived() {
        let bytes = archive();
        for at in 0..bytes.len() {
            for value in [0, b'0', b'f', b'z', 0xff] {
                let mut corrupt = bytes.clone();
                corrupt[at] = value;
                if let Ok(initrd) = Initrd::parse(&corrupt) {
                    assert!(initrd.iter().all(|entry| entry.data.len() < bytes.len()));
                }
            }
        }
    }

    #[test]
    fn errors_name_the_place() {
        let mut bytes = archive();
        bytes[0] = b'X';
        assert_eq!(Initrd::parse(&bytes).unwrap_err(), InitrdError::BadMagic(0));
        let mut bytes = archive();
        bytes[6 + FIELD_NAME_SIZE * 8] = b'g';
        assert_eq!(Initrd::parse(&bytes).unwrap_err(), InitrdError::BadField(0));
        assert!(format!("{}", InitrdError::BadField(0)).contains("byte 0"));
    }

    proptest! {
        #[test]
        fn a_spoilt_archive_is_refused_or_read(
            spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = archive();
            for (at, byte) in spoils {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len() * 2));
            if let Ok(initrd) = Initrd::parse(&bytes) {
                for entry in initrd.iter() {
                    prop_assert!(entry.path.len() + entry.data.len() <= bytes.len());
                }
            }
        }
    }
}
