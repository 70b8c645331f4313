//! Runs the lab; `cargo run --release -- --report own.html`.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Which model suits the books?
#[derive(Parser)]
struct Args {
    /// Few rounds: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Rounds, of which the median is taken
    #[arg(long)]
    rounds: Option<usize>,
    /// Write every figure to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a page with charts and tables
    #[arg(long)]
    report: Option<PathBuf>,
    /// Write traces into this folder, for Perfetto
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Add a workload that answers otherwise in every process, to see it refused
    #[arg(long)]
    wrong: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut lab = own_lab::lab().quick(args.quick);
    if let Some(rounds) = args.rounds {
        lab = lab.rounds(rounds);
    }
    if let Some(path) = args.json {
        lab = lab.json(path);
    }
    if let Some(path) = args.report {
        lab = lab.report(path);
    }
    if let Some(folder) = args.trace {
        lab = lab.trace(folder);
    }
    if args.wrong {
        lab = lab.workload("whose process", |_: &benches::Handle| std::process::id());
    }
    let report = lab.run()?;
    // As shells report it.
    Ok(ExitCode::from(if report.interrupted { 130 } else { 0 }))
}
