//! The project commands: `cargo xtask compare | advise | bench | test | loom | …`, one file a verb.
//!
//! Exit status: 0 when everything asked for was done and was right, 1 when something
//! failed, 2 when the command line was wrong, 130 when interrupted.

#![forbid(unsafe_code)]

mod advise;
mod bench;
mod browser;
mod compare;
mod counts;
mod idle_class;
mod initrd;
mod kernel;
mod loom;
mod package;
mod process;
mod progress;
mod qemu;
mod rayon_suite;
mod test;
mod usage;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// The project's commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the same programs under every model and compare them.
    Compare(compare::Args),
    /// Ask which model suits your work, and measure what decides it.
    Advise(advise::Args),
    /// Measure a suite of figures.
    #[command(subcommand)]
    Bench(bench::Suite),
    /// Run every check and every test; ends with a line that counts them.
    Test(test::Args),
    /// Run the loom models, which try every interleaving up to a bound.
    Loom(loom::Args),
    /// Run rayon's own tests on rayon's scheduler and on ours.
    RayonSuite(rayon_suite::Args),
    /// Build the kernel, or boot it in QEMU.
    #[command(subcommand)]
    Kernel(kernel::Verb),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let words: Vec<String> = std::env::args().skip(1).collect();
            return usage::report(&error, Cli::command(), &words);
        }
    };
    process::end_children_when_interrupted();
    let outcome = match cli.verb {
        Verb::Compare(args) => compare::run(&args),
        Verb::Advise(args) => advise::run(&args),
        Verb::Bench(suite) => bench::run(&suite).map(|never| match never {}),
        Verb::Test(args) => test::run(&args),
        Verb::Loom(args) => loom::run(&args),
        Verb::RayonSuite(args) => rayon_suite::run(&args),
        Verb::Kernel(verb) => kernel::verb(&verb),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
