//! How threads share the processors, by policy, over seconds of counted instructions.

use super::super::bench::Case;
use super::counted;

pub(super) const CASES: &[Case] = &[
    counted(
        "shares round robin",
        "init=/shares rr 8",
        &["shares rr: ok, * to * ns"],
        &[4],
    ),
    counted(
        "shares fair",
        "init=/shares fair 8",
        &["shares fair: ok, * to * ns"],
        &[4],
    ),
    // 1024 of 1134 parts, to within a quantum.
    counted(
        "shares fair, nice 0 and 10",
        "init=/shares fair 2 10",
        &["shares fair: 90* of 1000"],
        &[1],
    ),
    // One quantum of 5 ms in each 200 ms.
    counted(
        "shares priority, nice 0 and 10",
        "init=/shares priority 2 10",
        &["shares priority: 97* of 1000"],
        &[1],
    ),
];
