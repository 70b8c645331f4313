//! Takes one figure of the subject `rayon-on-ours` and prints it.
//!
//! These are the lab's own lines: what differs is the core that rayon is built with. The lab
//! starts this program as it starts itself.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures rayon on our core; `cargo xtask bench pools` runs it.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Take one figure in this process and print it.
    Figure(benches::bars::FigureArgs),
}

fn main() -> ExitCode {
    let Verb::Figure(args) = Cli::parse().verb;
    args.run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
