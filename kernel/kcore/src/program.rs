//! Which ELF files are programs that the kernel can run: static, for x86-64, write xor execute.

use alloc::vec::Vec;
use core::fmt;

use elf::{
    ElfBytes,
    abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_TLS},
    endian::LittleEndian,
    file::Class,
};

use crate::{
    regions::Protection,
    user_range::{PAGE_SIZE, UserRange},
};

/// The most segments that a program may have.
const MAX_SEGMENTS: usize = 64;

/// Why a file is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// The bytes are no ELF file, or a header lies outside of the file.
    NotElf,
    /// Not a 64-bit little-endian file for x86-64.
    WrongMachine,
    /// Not `ET_EXEC`, or it needs a dynamic linker.
    NotStatic,
    /// It wants thread-local storage from its loader.
    ThreadLocal,
    /// No segment to load, or too many.
    SegmentCount(usize),
    /// The segment lies outside of the file, of user memory, or is larger in the file than in memory.
    BadSegment(usize),
    /// The segment is writable and executable.
    WriteExecute(usize),
    /// The segment shares a page with another one.
    Overlap(usize),
    /// The entry point is in no executable segment.
    BadEntry(u64),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "not an ELF file, or its headers are corrupt"),
            Self::WrongMachine => write!(f, "not an ELF: 64-bit little-endian x86-64 is needed"),
            Self::NotStatic => write!(f, "not an ELF of the static kind (ET_EXEC, no interpreter)"),
            Self::ThreadLocal => write!(f, "it has a PT_TLS segment, which is not supported"),
            Self::SegmentCount(n) => {
                write!(f, "{n} PT_LOAD segments; 1 to {MAX_SEGMENTS} are needed")
            }
            Self::BadSegment(n) => write!(f, "segment {n} does not fit the file or user memory"),
            Self::WriteExecute(n) => write!(f, "segment {n} is writable and executable"),
            Self::Overlap(n) => write!(f, "segment {n} shares a page with another"),
            Self::BadEntry(at) => write!(f, "the entry {at:#x} is in no executable segment"),
        }
    }
}

/// One piece of a program, with the pages it needs.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Its pages.
    pub pages: UserRange,
    /// What the program may do with them.
    pub protection: Protection,
    /// Where its bytes start; need not be on a page.
    pub address: u64,
    /// Its bytes; what follows them is zero.
    pub bytes: &'a [u8],
}

/// A program that can be run.
#[derive(Debug)]
pub struct Program<'a> {
    /// The first instruction.
    pub entry: u64,
    /// What to map, by address.
    pub segments: Vec<Segment<'a>>,
}

impl<'a> Program<'a> {
    /// Checks a file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ProgramError> {
        // The crate takes 32-bit and big-endian files for something else: look at the bytes first.
        match bytes.get(..6) {
            Some([0x7f, b'E', b'L', b'F', 2, 1]) => {}
            Some([0x7f, b'E', b'L', b'F', ..]) => return Err(ProgramError::WrongMachine),
            _ => return Err(ProgramError::NotElf),
        }
        let elf =
            ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|_| ProgramError::NotElf)?;
        if elf.ehdr.class != Class::ELF64 || elf.ehdr.e_machine != EM_X86_64 {
            return Err(ProgramError::WrongMachine);
        }
        if elf.ehdr.e_type != ET_EXEC {
            return Err(ProgramError::NotStatic);
        }
        let headers = elf.segments().ok_or(ProgramError::SegmentCount(0))?;
        let mut segments: Vec<Segment<'a>> = Vec::new();
        for (index, header) in headers.iter().enumerate() {
            match header.p_type {
                PT_INTERP | PT_DYNAMIC => return Err(ProgramError::NotStatic),
                PT_TLS if header.p_memsz > 0 => return Err(ProgramError::ThreadLocal),
                PT_LOAD if header.p_memsz > 0 => {}
                _ => continue,
            }
            let segment = segment(bytes, index, &header)?;
            if segments.len() == MAX_SEGMENTS {
                return Err(ProgramError::SegmentCount(MAX_SEGMENTS + 1));
            }
            let place =
                segments.partition_point(|other| other.pages.start() < segment.pages.start());
            let before = place
                .checked_sub(1)
                .map(|before| segments[before].pages.end());
            let after = segments.get(place).map(|after| after.pages.start());
            if before.is_some_and(|end| end > segment.pages.start())
                || after.is_some_and(|start| start < segment.pages.end())
            {
                return Err(ProgramError::Overlap(index));
            }
            segments.insert(place, segment);
        }
        if segments.is_empty() {
            return Err(ProgramError::SegmentCount(0));
        }
        let entry = elf.ehdr.e_entry;
        let runs = |s: &Segment<'_>| {
            s.protection.execute && s.pages.start() <= entry && entry < s.pages.end()
        };
        if !segments.iter().any(runs) {
            return Err(ProgramError::BadEntry(entry));
        }
        Ok(Self { entry, segments })
    }
}

fn segment<'a>(
    bytes: &'a [u8],
    index: usize,
    header: &elf::segment::ProgramHeader,
) -> Result<Segment<'a>, ProgramError> {
    let bad = ProgramError::BadSegment(index);
    let file_end = header.p_offset.checked_add(header.p_filesz).ok_or(bad)?;
    let bytes = usize::try_from(header.p_offset)
        .ok()
        .zip(usize::try_from(file_end).ok())
        .and_then(|(from, to)| bytes.get(from..to))
        .ok_or(bad)?;
    if header.p_filesz > header.p_memsz {
        return Err(bad);
    }
    let start = header.p_vaddr - header.p_vaddr % PAGE_SIZE;
    let len = header
        .p_memsz
        .checked_add(header.p_vaddr - start)
        .ok_or(bad)?;
    let pages = UserRange::pages(start, len).ok_or(bad)?;
    let (write, execute) = (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0);
    if write && execute {
        return Err(ProgramError::WriteExecute(index));
    }
    let protection = Protection { write, execute };
    Ok(Segment {
        pages,
        protection,
        address: header.p_vaddr,
        bytes,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// A file with one header for each `(flags, vaddr, filesz, memsz)`.
    fn file(segments: &[(u32, u64, u64, u64)]) -> Vec<u8> {
        let mut bytes = Vec::from(*b"\x7fELF\x02\x01\x01");
        bytes.resize(16, 0);
        for half in [2u16, 62] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(1u32.to_le_bytes());
        for word in [0x40_1000u64, 64, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0u32.to_le_bytes());
        for half in [64u16, 56, segments.len() as u16, 0, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        for (flags, vaddr, filesz, memsz) in segments {
            bytes.extend(1u32.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            for word in [0, *vaddr, *vaddr, *filesz, *memsz, 4096] {
                bytes.extend(u64::to_le_bytes(word));
            }
        }
        bytes
    }

    #[test]
    fn a_plain_program_is_taken() {
        let bytes = file(&[(6, 0x40_3010, 8, 0x2000), (5, 0x40_1000, 64, 64)]);
        let program = Program::parse(&bytes).unwrap();
        assert_eq!(program.entry, 0x40_1000);
        assert_eq!(program.segments.len(), 2);
        assert_eq!(program.segments[0].protection, Protection::READ_EXECUTE);
        assert_eq!(program.segments[1].pages.start(), 0x40_3000);
        assert_eq!(program.segments[1].pages.end(), 0x40_6000);
    }

    #[test]
    fn each_fault_has_its_name() {
        let text = (5, 0x40_1000, 64, 64);
        let fault = |segments: &[_]| Program::parse(&file(segments)).map(|_| ()).unwrap_err();
        assert_eq!(fault(&[]), ProgramError::SegmentCount(0));
        assert_eq!(
            fault(&[(7, 0x40_1000, 1, 1)]),
            ProgramError::WriteExecute(0)
        );
        assert_eq!(
            fault(&[text, (6, 0x40_1800, 1, 1)]),
            ProgramError::Overlap(1)
        );
        assert_eq!(
            fault(&[text, (6, 0x40_3000, 2, 1)]),
            ProgramError::BadSegment(1)
        );
        assert_eq!(
            fault(&[text, (6, 0x40_3000, u64::MAX, u64::MAX)]),
            ProgramError::BadSegment(1)
        );
        assert_eq!(
            fault(&[text, (6, u64::MAX - 5, 1, 1)]),
            ProgramError::BadSegment(1)
        );
        assert_eq!(
            fault(&[text, (6, 0x7fff_ffff_f000, 1, 1)]),
            ProgramError::BadSegment(1)
        );
        assert_eq!(
            fault(&[(6, 0x40_1000, 1, 1)]),
            ProgramError::BadEntry(0x40_1000)
        );
        assert_eq!(
            Program::parse(b"#!/bin/sh").map(|_| ()),
            Err(ProgramError::NotElf)
        );
        assert_eq!(
            Program::parse(b"\x7fELF\x01\x01").map(|_| ()),
            Err(ProgramError::WrongMachine)
        );
    }

    #[test]
    fn truncated_and_corrupt_files_are_survived() {
        let bytes = file(&[(5, 0x40_1000, 64, 64), (6, 0x40_3000, 16, 0x100)]);
        assert!(Program::parse(&bytes).is_ok());
        for len in 0..bytes.len() {
            assert!(Program::parse(&bytes[..len]).is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut corrupt = bytes.clone();
                corrupt[at] = value;
                if let Ok(program) = Program::parse(&corrupt) {
                    assert!(
                        !program
                            .segments
                            .iter()
                            .any(|s| s.protection.write && s.protection.execute)
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_spoilt_program_is_refused_or_harmless(
            spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = file(&[(6, 0x40_3010, 8, 0x2000), (5, 0x40_1000, 64, 64)]);
            for (at, byte) in spoils {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len() * 2));
            if let Ok(program) = Program::parse(&bytes) {
                for segment in &program.segments {
                    let Segment { pages, protection, address, bytes: inside } = segment;
                    prop_assert!(!(protection.write && protection.execute));
                    prop_assert!(pages.start() >= PAGE_SIZE && pages.end() <= crate::USER_END);
                    prop_assert!(*address >= pages.start());
                    prop_assert!(address + inside.len() as u64 <= pages.end());
                }
                let entry = |segment: &&Segment<'_>| segment.protection.execute
                    && (segment.pages.start()..segment.pages.end()).contains(&program.entry);
                prop_assert!(program.segments.iter().any(|segment| entry(&segment)));
            }
        }
    }
}
