//! The table of test cases: what is booted, and the console text and end that must come of it.
//!
//! Each line of `usertests` is a case within its boot. Everything that ends the process, or that the
//! kernel must refuse to boot, has a boot of its own.

mod alive;
mod endings;
mod faults;
mod refused;
mod shares;

use super::bench::{Archive, Case};
use crate::qemu::{End, Engine, MEMORY_MIB};

/// What is true whatever the number of processors.
const ALL: &[u32] = &[1, 2, 4];

/// The kernel's last line when the first program ended well, or by a fault.
const ENDED: &str = "kernel: init exited with status 0";
const DIED: &str = "kernel: init exited with status -1";

/// All cases.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    [
        alive::CASES,
        faults::CASES,
        endings::CASES,
        refused::CASES,
        shares::CASES,
    ]
    .into_iter()
    .flatten()
}

/// The boots of a kernel with debug assertions, which counts the locks that each processor holds: all
/// in which much goes on, and what it looks like when one is held at the wrong place.
pub(super) fn checked() -> impl Iterator<Item = &'static Case> {
    [alive::CASES, endings::CASES, faults::CHECKED]
        .into_iter()
        .flatten()
}

/// A boot with the usual archive that ends well.
const fn usual(name: &'static str, line: &'static str, console: &'static [&'static str]) -> Case {
    Case {
        name,
        line,
        archive: Archive::Usual,
        engine: Engine::Translated,
        memory_mib: MEMORY_MIB,
        console,
        end: End::Success,
        cpus: ALL,
        is_short: false,
    }
}

/// As [`usual`], counting instructions, so that it comes out the same each time.
const fn counted(
    name: &'static str,
    line: &'static str,
    console: &'static [&'static str],
    cpus: &'static [u32],
) -> Case {
    Case {
        engine: Engine::Counted,
        cpus,
        ..usual(name, line, console)
    }
}

/// A boot with the usual archive whose program ends with another status than 0.
const fn dies(name: &'static str, line: &'static str, console: &'static [&'static str]) -> Case {
    Case {
        end: End::Failed,
        ..usual(name, line, console)
    }
}

/// As [`dies`], by a fault of its one thread.
const fn killed(name: &'static str, line: &'static str, console: &'static [&'static str]) -> Case {
    Case {
        is_short: true,
        ..dies(name, line, console)
    }
}

/// A boot that ends in the kernel's own panic.
const fn panics(name: &'static str, line: &'static str, console: &'static [&'static str]) -> Case {
    Case {
        end: End::Panic,
        is_short: true,
        ..usual(name, line, console)
    }
}
