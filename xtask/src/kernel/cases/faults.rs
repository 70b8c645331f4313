//! Programs that do wrong: the kernel says which thread, where and why, and ends the process alone.

use super::super::bench::Case;
use super::{DIED, dies, killed, panics};

pub(super) const CASES: &[Case] = &[
    killed(
        "fault read-null",
        "init=/fault read-null",
        &[
            "about to read-null",
            "kernel: process 1: thread * killed at *: page fault: read of 0x0, not mapped",
            DIED,
        ],
    ),
    killed(
        "fault read-unmapped",
        "init=/fault read-unmapped",
        &[
            "about to read-unmapped",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2010000000, not mapped",
            DIED,
        ],
    ),
    killed(
        "fault read-kernel",
        "init=/fault read-kernel",
        &[
            "about to read-kernel",
            "kernel: process 1: thread * killed at *: page fault: read of 0xffffffff80100000, not *",
            DIED,
        ],
    ),
    killed(
        "fault read-not-canonical",
        "init=/fault read-not-canonical",
        &[
            "about to read-not-canonical",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    killed(
        "fault write-kernel",
        "init=/fault write-kernel",
        &[
            "about to write-kernel",
            "kernel: process 1: thread * killed at *: page fault: write of 0xffffffff80100000, not *",
            DIED,
        ],
    ),
    killed(
        "fault write-code",
        "init=/fault write-code",
        &[
            "about to write-code",
            "kernel: process 1: thread * killed at *: page fault: write of 0x40*, not allowed",
            DIED,
        ],
    ),
    killed(
        "fault write-constant",
        "init=/fault write-constant",
        &[
            "about to write-constant",
            "kernel: process 1: thread * killed at *: page fault: write of 0x40*, not allowed",
            DIED,
        ],
    ),
    killed(
        "fault write-read-only",
        "init=/fault write-read-only",
        &[
            "about to write-read-only",
            "read 0",
            "kernel: process 1: thread * killed at *: page fault: write of 0x2000000000, not allowed",
            DIED,
        ],
    ),
    killed(
        "fault execute-data",
        "init=/fault execute-data",
        &[
            "about to execute-data",
            "kernel: process 1: thread * killed at *: page fault: execution of 0x2000000000, not allowed",
            DIED,
        ],
    ),
    killed(
        "fault execute-kernel",
        "init=/fault execute-kernel",
        &[
            "about to execute-kernel",
            "kernel: process 1: thread * killed at *: page fault: execution of 0xffffffff80100000, not *",
            DIED,
        ],
    ),
    killed(
        "fault read-after-unmap",
        "init=/fault read-after-unmap",
        &[
            "about to read-after-unmap",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2000000000, not mapped",
            DIED,
        ],
    ),
    killed(
        "fault divide",
        "init=/fault divide",
        &[
            "about to divide",
            "kernel: process 1: thread * killed at *: divide error",
            DIED,
        ],
    ),
    killed(
        "fault undefined",
        "init=/fault undefined",
        &[
            "about to undefined",
            "kernel: process 1: thread * killed at *: invalid opcode",
            DIED,
        ],
    ),
    killed(
        "fault overflow-stack",
        "init=/fault overflow-stack",
        &[
            "about to overflow-stack",
            "kernel: process 1: thread * killed at *: page fault: write of 0x4746*, not mapped",
            DIED,
        ],
    ),
    killed(
        "fault return-from-thread",
        "init=/fault return-from-thread",
        &[
            "about to return-from-thread",
            "kernel: process 1: thread * killed at *: page fault: execution of 0x0, not mapped",
            DIED,
        ],
    ),
    killed(
        "fault in-a-thread",
        "init=/fault in-a-thread",
        &[
            "about to in-a-thread",
            "kernel: process 1: thread * killed at *: page fault: read of 0x2010000000, not mapped",
            DIED,
        ],
    ),
    killed(
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
    killed(
        "fault halt",
        "init=/fault halt",
        &[
            "about to halt",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    killed(
        "fault mask-interrupts",
        "init=/fault mask-interrupts",
        &[
            "about to mask-interrupts",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    killed(
        "fault write-port",
        "init=/fault write-port",
        &[
            "about to write-port",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    killed(
        "fault load-page-table",
        "init=/fault load-page-table",
        &[
            "about to load-page-table",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    killed(
        "fault interrupt",
        "init=/fault interrupt",
        &[
            "about to interrupt",
            "kernel: process 1: thread * killed at *: general protection fault",
            DIED,
        ],
    ),
    panics(
        "selftest stack-overflow",
        "selftest=stack-overflow init=/hello",
        &[
            "kernel: selftest stack-overflow",
            "kernel: panic at *: double fault at *: kernel stack overflow? stack *",
        ],
    ),
    panics(
        "selftest interrupt",
        "selftest=interrupt init=/hello",
        &[
            "kernel: selftest interrupt",
            "kernel: panic at *: invariant: interrupts are off in the kernel, but one came at *",
        ],
    ),
    panics(
        "selftest null",
        "selftest=null init=/hello",
        &[
            "kernel: selftest null",
            "kernel: panic at *: page fault: read of 0x8, not mapped in the kernel at *",
        ],
    ),
];

/// With a kernel that counts the locks that are held.
pub(super) const CHECKED: &[Case] = &[panics(
    "selftest lock",
    "selftest=lock init=/hello",
    &[
        "kernel: selftest lock",
        "kernel: panic at *: invariant: no lock is held at a switch",
    ],
)];
