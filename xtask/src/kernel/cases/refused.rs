//! Archives and programs that the kernel must refuse, each in a line that says why.

use super::super::bench::{Archive, Case};
use super::usual;
use crate::qemu::End;

/// What needs no second processor to be tried.
const ONE: &[u32] = &[1];

/// Where the first program header holds its address and its length in memory: the headers follow
/// the ELF header's 64 bytes.
const SEGMENT_ADDRESS: usize = 64 + 16;
const SEGMENT_IN_MEMORY: usize = 64 + 40;

/// A boot that the kernel refuses before it runs anything.
const fn refused(
    name: &'static str,
    line: &'static str,
    archive: Archive,
    console: &'static [&'static str],
    end: End,
) -> Case {
    Case {
        archive,
        end,
        cpus: ONE,
        ..usual(name, line, console)
    }
}

/// A boot of `hello`, spoilt in one way.
const fn bad_program(
    name: &'static str,
    spoil: fn(&mut Vec<u8>),
    console: &'static [&'static str],
) -> Case {
    refused(
        name,
        "init=/bad",
        Archive::Program(spoil),
        console,
        End::BadElf,
    )
}

pub(super) const CASES: &[Case] = &[
    refused(
        "no archive",
        "init=/hello",
        Archive::Missing,
        &["kernel: initrd: *"],
        End::BadInitrd,
    ),
    refused(
        "archive of no kind",
        "init=/hello",
        Archive::Spoilt(|bytes| bytes[0] ^= 0xff),
        &["kernel: initrd: *"],
        End::BadInitrd,
    ),
    refused(
        "archive cut short",
        "init=/hello",
        Archive::Spoilt(|bytes| bytes.truncate(bytes.len() / 2)),
        &["kernel: initrd: *"],
        End::BadInitrd,
    ),
    refused(
        "archive with a broken length",
        "init=/hello",
        Archive::Spoilt(|bytes| bytes[54..62].copy_from_slice(b"ffffffff")),
        &["kernel: initrd: *"],
        End::BadInitrd,
    ),
    refused(
        "archive with letters for a number",
        "init=/hello",
        Archive::Spoilt(|bytes| bytes[54..62].copy_from_slice(b"notahexa")),
        &["kernel: initrd: *"],
        End::BadInitrd,
    ),
    refused(
        "no program named",
        "quiet",
        Archive::Usual,
        &["kernel: no init=PROGRAM on the command line"],
        End::BadElf,
    ),
    // The kernel's own panic, met honestly: it can't work in so little.
    Case {
        memory_mib: 12,
        ..refused(
            "too little memory",
            "init=/bad",
            // Small: QEMU itself refuses an archive that does not fit.
            Archive::Program(|_| {}),
            &["kernel: panic at src/*.rs:*: too little memory*"],
            End::Panic,
        )
    },
    refused(
        "no such program",
        "init=/nothing",
        Archive::Usual,
        &["kernel: /nothing: *"],
        End::BadElf,
    ),
    refused(
        "a text for a program",
        "init=/data.txt",
        Archive::Usual,
        &["kernel: /data.txt: *"],
        End::BadElf,
    ),
    refused(
        "an empty program",
        "init=/empty",
        Archive::Usual,
        &["kernel: /empty: *"],
        End::BadElf,
    ),
    bad_program(
        "program cut in its header",
        |elf| elf.truncate(40),
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program cut in its text",
        |elf| elf.truncate(5000),
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program for another machine",
        |elf| elf[18] = 0xb7,
        &["kernel: /bad: *"],
    ),
    bad_program("program of 32 bits", |elf| elf[4] = 1, &["kernel: /bad: *"]),
    bad_program(
        "program that must be linked",
        |elf| elf[16] = 3,
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program with its headers elsewhere",
        |elf| elf[32..40].fill(0xff),
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program entered outside its text",
        |elf| elf[24..32].copy_from_slice(&0x10_0000_u64.to_le_bytes()),
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program loaded over the kernel",
        |elf| {
            elf[SEGMENT_ADDRESS..SEGMENT_ADDRESS + 8]
                .copy_from_slice(&0xffff_ffff_8010_0000_u64.to_le_bytes())
        },
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program larger in file than in memory",
        |elf| elf[SEGMENT_IN_MEMORY..SEGMENT_IN_MEMORY + 8].fill(0),
        &["kernel: /bad: *"],
    ),
    bad_program(
        "program without end",
        |elf| {
            elf[SEGMENT_IN_MEMORY..SEGMENT_IN_MEMORY + 8]
                .copy_from_slice(&(1_u64 << 46).to_le_bytes())
        },
        &["kernel: /bad: *"],
    ),
];
