//! The kernel's own options on the boot command line.
//!
//! | option | meaning |
//! |---|---|
//! | `console=closed` | no input (this is so without the option) |
//! | `console=typed` | edited lines from a person |
//! | `console=framed` | streams kept apart, for a program on the other side |
//! | `degree=N` | how many processes may be in at once; more wait (4096 without the option) |
//! | `selftest=NAME` | shows what an error of the kernel looks like, see [`selftest`] |
//! | `sched=POLICY` | the first process's policy: `fcfs`, `rr` (without the option), `priority`, `mlfq`, `fair` |

use kcore::{console::Mode, sched::PolicyKind};

use crate::{arch::cpu, boot::selftest, console, sched::admission};

/// Does what an option says; false if it means nothing.
pub(super) fn apply(option: &str) -> bool {
    match option.split_once('=') {
        Some(("console", name)) => Mode::from_name(name).map(console::set_mode).is_some(),
        // The first process inherits from who makes it: this CPU's idle thread.
        Some(("sched", name)) => PolicyKind::from_name(name)
            .map(|policy| cpu::current().share().set_policy(policy))
            .is_some(),
        Some(("degree", number)) => number.parse().map(admission::set_degree).is_ok(),
        Some(("selftest", name)) => selftest::run(name),
        _ => false,
    }
}
