//! The kernel's own options on the boot command line.
//!
//! | option | meaning |
//! |---|---|
//! | `console=closed` | no input (this is so without the option) |
//! | `console=typed` | edited lines from a person |
//! | `console=framed` | streams kept apart, for a program on the other side |

use kcore::console::Mode;

use crate::console;

/// Does what an option says; false if it means nothing.
pub(super) fn apply(option: &str) -> bool {
    match option.split_once('=') {
        Some(("console", name)) => Mode::from_name(name).map(console::set_mode).is_some(),
        _ => false,
    }
}
