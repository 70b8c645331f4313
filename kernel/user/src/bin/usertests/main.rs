//! The cases that leave the process alive: each group is a boot, each case a line `GROUP/CASE: ok`.
//!
//! A case that fails panics, which ends the process with a line that names the place. Cases that end
//! the process themselves are in the program `fault` and in programs of their own.
#![no_std]
#![no_main]

extern crate alloc;

mod files;
mod futexes;
mod ground;
mod hoard;
mod joins;
mod limits;
mod mappings;
mod missed;
mod numbers;
mod objects;
mod pipes;
mod pointers;
mod processes;
mod processor;
mod programs;
mod runtime;
mod schedule;
mod sharing;
mod signals;
mod sockets;
mod statistics;
mod tree;

use user::{Args, println};

user::program!(main);

/// One case: its name and what it does.
type Case = (&'static str, fn());

const GROUPS: &[(&str, &[Case])] = &[
    ("runtime", runtime::CASES),
    ("pointers", pointers::CASES),
    ("numbers", numbers::CASES),
    ("joins", joins::CASES),
    ("futexes", futexes::CASES),
    ("schedule", schedule::CASES),
    ("processor", processor::CASES),
    ("mappings", mappings::CASES),
    ("statistics", statistics::CASES),
    ("processes", processes::CASES),
    ("signals", signals::CASES),
    ("missed", missed::CASES),
    ("programs", programs::CASES),
    ("limits", limits::CASES),
    ("hoard", hoard::CASES),
    ("files", files::CASES),
    ("tree", tree::CASES),
    ("pipes", pipes::CASES),
    ("objects", objects::CASES),
    ("sockets", sockets::CASES),
    ("sharing", sharing::CASES),
    ("ground", ground::CASES),
];

/// Checks that `f` leaves no page behind, once the program and the kernel have what they keep: a
/// thread's stack, for one, goes back a moment after it was joined.
fn without_loss(f: impl Fn()) {
    processes::returns_all(f);
}

fn main(args: Args) -> i32 {
    let wanted = args
        .get(1)
        .expect("usage: usertests GROUP [PART OF A CASE'S NAME]");
    let (group, cases) = GROUPS
        .iter()
        .find(|(name, _)| *name == wanted)
        .expect("the group is one that exists");
    let part = args.get(2).unwrap_or_default();
    for (name, case) in cases.iter().filter(|(name, _)| name.contains(part)) {
        case();
        println!("{group}/{name}: ok");
    }
    0
}
