//! Ways for a process to end, with siblings in every state, and the status that must come of it.

use super::super::bench::Case;
use super::{ENDED, dies, usual};
use crate::qemu::End;

pub(super) const CASES: &[Case] = &[
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
    Case {
        end: End::Value(0x42),
        ..usual(
            "ending by shutdown",
            "init=/ending shutdown 66",
            &["shutting down"],
        )
    },
];
