//! The experiments of the lab inside the kernel: `labs EXPERIMENT quick|full PROCESSORS [BENCHES]`. Of the
//! benches only those are run whose names begin so; with commas in between, more than one.
//!
//! # Protocol
//! Every case is told first, so that whoever reads knows what is missing when the machine stops in
//! between; then each is answered, by one line of the two kinds below.
//!
//! ```text
//! case create/time/1 thread
//! reading create/time/1 thread time=1219 voluntary_switches=2
//! missing create/time/1 thread no thread could be made: EAGAIN
//! ```
//!
//! A case runs in a forked process of its own, so it starts with the memory of a program that has
//! done nothing, and one that ends badly takes no other with it. Names of benches, subjects and
//! figures are those of the host's half, so that both grounds stand under one heading.
//!
//! The repetitions of a case are a number, never a time: a machine that counts instructions does the
//! same each time.
#![no_std]
#![no_main]

extern crate alloc;

mod background;
mod case;
mod channel;
mod create;
mod gate;
mod ipc;
mod mixed;
mod parallel;
mod schedulers;
mod switch;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use user::process::{self, News};
use user::{Args, println};

use case::{Case, Setting};

user::program!(main);

/// The status of a wrong command line.
const WRONG_USAGE: i32 = 2;

/// An experiment: its name and its cases.
type Experiment = (&'static str, fn(&Setting) -> Vec<Case>);

const EXPERIMENTS: &[Experiment] = &[
    ("create", create::cases),
    ("switch", switch::cases),
    ("ipc", ipc::cases),
    ("parallel", parallel::cases),
    ("mixed", mixed::cases),
    ("schedulers", schedulers::cases),
];

fn main(args: Args) -> i32 {
    let name = args.get(1).unwrap_or_default();
    if name == create::NOTHING {
        return match args.get(2) {
            None => create::be_nothing(),
            Some(_) => create::be_waiting(),
        };
    }
    let Some((_, cases)) = EXPERIMENTS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = EXPERIMENTS.iter().map(|(name, _)| *name).collect();
        println!("labs: no experiment '{name}'; valid: {}", names.join(", "));
        return WRONG_USAGE;
    };
    let setting = match args.get(2) {
        Some(size @ ("quick" | "full")) => Setting {
            quick: size == "quick",
            cpus: args.number(3, 1) as usize,
        },
        _ => {
            println!("labs: EXPERIMENT quick|full PROCESSORS [BENCHES]");
            return WRONG_USAGE;
        }
    };
    let mut cases = cases(&setting);
    if let Some(names) = args.get(4) {
        cases.retain(|case| names.split(',').any(|name| case.bench.starts_with(name)));
    }
    for case in &cases {
        println!("case {} {}", case.bench, case.subject);
    }
    for case in &cases {
        if let Err(why) = apart(case) {
            println!("missing {} {} {why}", case.bench, case.subject);
        }
    }
    0
}

/// Runs a case in a process of its own, which prints its line.
fn apart(case: &Case) -> Result<(), String> {
    let child = process::spawn(|| {
        match (case.run)() {
            Ok(reading) => println!("reading {} {}{reading}", case.bench, case.subject),
            Err(why) => println!("missing {} {} {why}", case.bench, case.subject),
        }
        0
    });
    let child = child.map_err(|why| format!("no process for it: {why}"))?;
    match process::wait(Some(child)) {
        Ok((_, News::Exited(0))) => Ok(()),
        Ok((_, news)) => Err(format!("its process ended: {news:?}")),
        Err(why) => Err(format!("its process was lost: {why}")),
    }
}
