//! The table of test cases: what is booted, and the console text and end that must come of it.
//!
//! Each line of `usertests` is a case within its boot. Everything that ends the process, or that the
//! kernel must refuse to boot, has a boot of its own.

pub(super) use super::bench::Bench;
use super::bench::{Archive, Case};
use super::expect::ANY;
use crate::qemu::End;

/// What is true whatever the number of processors.
const ALL: &[u32] = &[1, 2, 4];

/// What needs no second processor to be tried: boots that the kernel refuses.
const ONE: &[u32] = &[1];

/// The kernel's last line when the first program ended well, or by a fault.
const ENDED: &str = "kernel: init exited with status 0";
const DIED: &str = "kernel: init exited with status -1";

/// A boot with the usual archive that ends well.
const fn usual(name: &'static str, line: &'static str, console: &'static [&'static str]) -> Case {
    Case {
        name,
        line,
        archive: Archive::Usual,
        console,
        end: End::Success,
        cpus: ALL,
    }
}

/// A boot with the usual archive whose program ends with another status than 0.
const fn dies(name: &'static str, line: &'static str, console: &'static [&'static str]) -> Case {
    Case {
        end: End::Failed,
        ..usual(name, line, console)
    }
}

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

/// All cases.
pub(super) const CASES: &[Case] = &[
    usual(
        "hello",
        "init=/hello one \"two words\" three",
        &[
            "hello from ring 3: 4 arguments",
            "  0: /hello",
            "  1: one",
            "  2: two words",
            "  3: three",
            ENDED,
        ],
    ),
    usual(
        "usertests runtime",
        "init=/usertests runtime",
        &[
            "runtime/memory functions of every short length: ok",
            "runtime/heap from four threads: ok",
        ],
    ),
    usual(
        "usertests pointers",
        "init=/usertests pointers",
        &[
            "pointers/write from a bad buffer: ok",
            "pointers/read into a bad buffer: ok",
            "pointers/open with a bad path: ok",
            "pointers/join with a bad result pointer: ok",
            "pointers/create with a bad name: ok",
            "pointers/create with a bad stack: ok",
            "pointers/create with a bad entry: ok",
            "pointers/futex at a bad address: ok",
            "pointers/statistics to a bad address: ok",
        ],
    ),
    usual(
        "usertests numbers",
        "init=/usertests numbers",
        &[
            "numbers/unknown numbers: ok",
            "numbers/known numbers with nonsense: ok",
        ],
    ),
    usual(
        "usertests joins",
        "init=/usertests joins",
        &[
            "joins/statuses arrive whole: ok",
            "joins/an unknown thread: ok",
            "joins/the caller itself: ok",
            "joins/a thread joined already: ok",
            "joins/one of two waiting joiners wins: ok",
            "joins/a chain of joins: ok",
            "joins/numbers never confuse two threads: ok",
            "joins/join against exit: ok",
            "joins/a detached thread cannot be joined: ok",
            "joins/the thread table fills and empties: ok",
        ],
    ),
    usual(
        "usertests futexes",
        "init=/usertests futexes",
        &[
            "futexes/another value is not waited on: ok",
            "futexes/a wait times out, not early: ok",
            "futexes/wake counts who it wakes: ok",
            "futexes/wake wakes no more than asked: ok",
            "futexes/words are told apart: ok",
            "futexes/timed waits end in their order: ok",
            "futexes/no wake-up is lost: ok",
            "futexes/a wake races a time-out: ok",
            "futexes/a lock lets one in at a time: ok",
            "futexes/a token keeps one notification: ok",
        ],
    ),
    usual(
        "usertests schedule",
        "init=/usertests schedule",
        &[
            "schedule/a spinning thread is preempted: ok",
            "schedule/spinning threads share the processors: ok",
            "schedule/a yield lets others run: ok",
            "schedule/the clock never runs backwards: ok",
            "schedule/there is a processor: ok",
        ],
    ),
    usual(
        "usertests processor",
        "init=/usertests processor",
        &[
            "processor/a call keeps the registers it must: ok",
            "processor/preemption keeps general and vector registers: ok",
            "processor/each thread has its own FS base: ok",
            "processor/each thread has its own rounding mode: ok",
        ],
    ),
    usual(
        "usertests mappings",
        "init=/usertests mappings",
        &[
            "mappings/fresh memory is zero: ok",
            "mappings/bad requests are refused: ok",
            "mappings/writable and executable exclude each other: ok",
            "mappings/unmapped memory comes back: ok",
            "mappings/untouched memory costs nothing: ok",
            "mappings/four threads map and unmap: ok",
        ],
    ),
    usual(
        "usertests statistics",
        "init=/usertests statistics",
        &[
            "statistics/calls are counted: ok",
            "statistics/waiting is a voluntary switch: ok",
            "statistics/losing the processor is an involuntary switch: ok",
            "statistics/time passes where it is spent: ok",
            "statistics/another thread can be asked about: ok",
            "statistics/the process is the sum of its threads: ok",
        ],
    ),
    usual(
        "usertests files",
        "init=/usertests files",
        &[
            "files/a file is read whole: ok",
            "files/positions move and are told: ok",
            "files/missing files and bad descriptors: ok",
            "files/descriptors run out and come back: ok",
            "files/threads share descriptors: ok",
        ],
    ),
    usual(
        "usertests ground",
        "init=/usertests ground",
        &[
            "ground/threads run once and are joined: ok",
            "ground/bad stack sizes and names come back: ok",
            "ground/a stack is as large as asked: ok",
            "ground/stacks are used again: ok",
            "ground/detached threads are reaped: ok",
            "ground/a thread cannot join itself: ok",
            "ground/an unpark before the park is kept: ok",
            "ground/parks end in time: ok",
            "ground/a waker outlives its thread: ok",
            "ground/park and unpark lose nothing: ok",
            "ground/each thread has its own local pointer: ok",
            "ground/refused jobs come back when threads run out: ok",
        ],
    ),
    dies(
        "fault read-null",
        "init=/fault read-null",
        &[
            "about to read-null",
            "kernel: process 1: thread * killed at *: page fault: read of 0x0, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault read-unmapped",
        "init=/fault read-unmapped",
        &[
            "about to read-unmapped",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2010000000, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault read-kernel",
        "init=/fault read-kernel",
        &[
            "about to read-kernel",
            "kernel: process 1: thread * killed at *: page fault: read of 0xffffffff80100000, not *",
            DIED,
        ],
    ),
    dies(
        "fault read-not-canonical",
        "init=/fault read-not-canonical",
        &[
            "about to read-not-canonical",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    dies(
        "fault write-kernel",
        "init=/fault write-kernel",
        &[
            "about to write-kernel",
            "kernel: process 1: thread * killed at *: page fault: write of 0xffffffff80100000, not *",
            DIED,
        ],
    ),
    dies(
        "fault write-code",
        "init=/fault write-code",
        &[
            "about to write-code",
            "kernel: process 1: thread * killed at *: page fault: write of 0x40*, not allowed",
            DIED,
        ],
    ),
    dies(
        "fault write-constant",
        "init=/fault write-constant",
        &[
            "about to write-constant",
            "kernel: process 1: thread * killed at *: page fault: write of 0x40*, not allowed",
            DIED,
        ],
    ),
    dies(
        "fault write-read-only",
        "init=/fault write-read-only",
        &[
            "about to write-read-only",
            "read 0",
            "kernel: process 1: thread * killed at *: page fault: write of 0x2000000000, not allowed",
            DIED,
        ],
    ),
    dies(
        "fault execute-data",
        "init=/fault execute-data",
        &[
            "about to execute-data",
            "kernel: process 1: thread * killed at *: page fault: execution of 0x2000000000, not allowed",
            DIED,
        ],
    ),
    dies(
        "fault execute-kernel",
        "init=/fault execute-kernel",
        &[
            "about to execute-kernel",
            "kernel: process 1: thread * killed at *: page fault: execution of 0xffffffff80100000, not *",
            DIED,
        ],
    ),
    dies(
        "fault read-after-unmap",
        "init=/fault read-after-unmap",
        &[
            "about to read-after-unmap",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2000000000, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault divide",
        "init=/fault divide",
        &[
            "about to divide",
            "kernel: process 1: thread * killed at *: divide error",
            DIED,
        ],
    ),
    dies(
        "fault undefined",
        "init=/fault undefined",
        &[
            "about to undefined",
            "kernel: process 1: thread * killed at *: invalid opcode",
            DIED,
        ],
    ),
    dies(
        "fault overflow-stack",
        "init=/fault overflow-stack",
        &[
            "about to overflow-stack",
            "kernel: process 1: thread * killed at *: page fault: write of 0x4746*, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault return-from-thread",
        "init=/fault return-from-thread",
        &[
            "about to return-from-thread",
            "kernel: process 1: thread * killed at *: page fault: execution of 0x0, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault in-a-thread",
        "init=/fault in-a-thread",
        &[
            "about to in-a-thread",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2010000000, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault exhaust-memory",
        "init=/fault exhaust-memory",
        &[
            "about to exhaust-memory",
            "kernel: process 1: thread * killed at *: page fault: write of 0x20*, out of memory",
            DIED,
        ],
    ),
    dies(
        "fault unmap-under-reader",
        "init=/fault unmap-under-reader",
        &[
            "about to unmap-under-reader",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2000000000, not mapped",
            DIED,
        ],
    ),
    dies(
        "fault halt",
        "init=/fault halt",
        &[
            "about to halt",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    dies(
        "fault mask-interrupts",
        "init=/fault mask-interrupts",
        &[
            "about to mask-interrupts",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    dies(
        "fault write-port",
        "init=/fault write-port",
        &[
            "about to write-port",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    dies(
        "fault load-page-table",
        "init=/fault load-page-table",
        &[
            "about to load-page-table",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    dies(
        "fault interrupt",
        "init=/fault interrupt",
        &[
            "about to interrupt",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    dies(
        "ending group",
        "init=/ending group 7",
        &["ending all", "kernel: init exited with status 7"],
    ),
    dies(
        "ending group, negative",
        "init=/ending group -3",
        &["ending all", "kernel: init exited with status -3"],
    ),
    dies(
        "ending group, large",
        "init=/ending group 2147483647",
        &["ending all", "kernel: init exited with status 2147483647"],
    ),
    usual(
        "ending group, well",
        "init=/ending group 0",
        &["ending all", ENDED],
    ),
    dies(
        "ending from a sibling",
        "init=/ending sibling 9",
        &["ending all", "kernel: init exited with status 9"],
    ),
    dies(
        "ending by the last thread",
        "init=/ending last 6",
        &[
            "the first thread has ended",
            "kernel: init exited with status 5",
        ],
    ),
    dies(
        "ending by return",
        "init=/ending return 4",
        &["returning", "kernel: init exited with status 4"],
    ),
    dies(
        "ending by panic",
        "init=/ending panic 1",
        &[
            "panic at *ending.rs:*: as asked, with 1",
            "kernel: init exited with status 101",
        ],
    ),
    usual(
        "conformance one-to-one",
        "init=/conformance one-to-one",
        &[ANY, "conformance one-to-one: * passed, * skipped", ENDED],
    ),
    usual(
        "lab",
        "init=/lab one-to-one spawn-join 50 1",
        &[
            "lab model=one-to-one workload=spawn-join param=50 ns=* voluntary=* involuntary=* checksum=*",
            ENDED,
        ],
    ),
    dies(
        "lab without a model",
        "init=/lab green fib 5 1",
        &[
            "lab: no model 'green' in the kernel",
            "kernel: init exited with status 2",
        ],
    ),
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

/// Where the first program header holds its address and its length in memory: the headers follow
/// the ELF header's 64 bytes.
const SEGMENT_ADDRESS: usize = 64 + 16;
const SEGMENT_IN_MEMORY: usize = 64 + 40;
