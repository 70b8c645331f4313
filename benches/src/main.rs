//! `lab`: measures one thing in this process, so that every sample is a fresh process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use benches::{cpus, model, sample};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, Subcommand};
use record::Model;
use workloads::Workload;

/// Measures models; `cargo xtask compare` and `cargo xtask bench` run it.
#[derive(Parser)]
#[command(name = "lab", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run one program under one model and print one line of JSON.
    Sample(SampleArgs),
}

#[derive(clap::Args)]
struct SampleArgs {
    /// The model
    #[arg(long, value_parser = PossibleValuesParser::new(Model::NAMES).try_map(|name| name.parse::<Model>()))]
    model: Model,
    /// The program
    #[arg(long, value_parser = PossibleValuesParser::new(Workload::NAMES).try_map(|name| name.parse::<Workload>()))]
    workload: Workload,
    /// The program's parameter
    #[arg(long)]
    param: u64,
    /// How many CPUs the model may use, and how many workers it has
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    cpus: u16,
    /// The text that wordcount reads
    #[arg(long)]
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Sample(args) => take_sample(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn take_sample(args: &SampleArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.param <= args.workload.max_param(),
        "--param of {} is at most {}",
        args.workload,
        args.workload.max_param()
    );
    let text = match &args.input {
        Some(path) => {
            std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?
        }
        None => Vec::new(),
    };
    let cpus = usize::from(args.cpus);
    cpus::confine(cpus)?;
    let handle = model::build(args.model, cpus)?;
    let sample = sample::take(&handle, args.workload, args.param, &text)?;
    println!("{}", sample.to_line());
    Ok(if sample.is_right() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
