//! `lab`: measures one thing in this process, so that every sample is a fresh process.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use benches::peers::Native;
use benches::{asyncs, bars, cpus, experiments, model, pools, processes, sample, trace};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, Subcommand};
use record::{Model, table};
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
    /// Run one program under one model with a flight recorder, and write what its workers did.
    Trace(TraceArgs),
    /// List what can be run with --native, a model and a program a line.
    Natives,
    /// Run the classic experiments, as far as they run on this system.
    Run(experiments::RunArgs),
    /// Take the figures of one case of an experiment in this process and print them.
    Case(experiments::CaseArgs),
    /// Measure the ratio bars, interleaved, each figure in a fresh process.
    Bars(BarsArgs),
    /// Measure the bars of the work-stealing pool in the same way.
    Pools(PoolsArgs),
    /// Measure the bars of the async executor in the same way.
    Async(AsyncArgs),
    /// Measure the bars of the pool of processes in the same way.
    Processes(ProcessesArgs),
    /// Take one figure of a bar in this process and print it.
    Figure(bars::FigureArgs),
    /// Load a server of the async bars, which starts this by itself.
    #[command(hide = true)]
    Load(asyncs::LoadArgs),
    /// Be the other side of a case, which starts this by itself.
    #[command(hide = true, subcommand)]
    Side(experiments::Side),
}

#[derive(clap::Args)]
struct BarsArgs {
    /// The benches to run, comma-separated [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = benches_of(bars::SUITE))]
    only: Vec<String>,
    #[command(flatten)]
    effort: EffortArgs,
}

#[derive(clap::Args)]
struct PoolsArgs {
    /// The benches to run, comma-separated [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = benches_of(pools::SUITE))]
    only: Vec<String>,
    /// The program that measures rayon on our core
    #[arg(long, value_name = "PROGRAM")]
    rayon_on_ours: Option<PathBuf>,
    #[command(flatten)]
    effort: EffortArgs,
}

#[derive(clap::Args)]
struct AsyncArgs {
    /// The benches to run, comma-separated [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = benches_of(asyncs::SUITE))]
    only: Vec<String>,
    #[command(flatten)]
    effort: EffortArgs,
}

#[derive(clap::Args)]
struct ProcessesArgs {
    /// The benches to run, comma-separated [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = benches_of(processes::SUITE))]
    only: Vec<String>,
    #[command(flatten)]
    effort: EffortArgs,
}

/// How much is measured, and where it goes.
#[derive(clap::Args)]
struct EffortArgs {
    /// Take few samples of few jobs: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Workers of each pool [default: the CPUs of this machine]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    cpus: Option<u16>,
    /// Rounds, of which the median is taken [default: 11 of bars and processes, 7 of pools and async, 3 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Write every figure to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn benches_of(suite: bars::Suite) -> PossibleValuesParser {
    PossibleValuesParser::new(suite.benches.iter().map(|bench| bench.name))
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
    /// Run it on the peer itself, without our trait
    #[arg(long)]
    native: bool,
    /// The text that wordcount reads
    #[arg(long)]
    input: Option<PathBuf>,
}

#[derive(clap::Args)]
struct TraceArgs {
    /// The model
    #[arg(long, value_parser = PossibleValuesParser::new(Model::WITH_RECORDER.iter().map(|model| model.name())).try_map(|name| name.parse::<Model>()))]
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
    /// Where the trace goes, for Perfetto
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

fn main() -> ExitCode {
    processes::init();
    experiments::init();
    let outcome = match Cli::parse().verb {
        Verb::Sample(args) => take_sample(&args),
        Verb::Trace(args) => take_trace(&args),
        Verb::Natives => {
            for (model, workload) in Native::PROGRAMS {
                println!("{model} {workload}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::Run(args) => args.run(),
        Verb::Case(args) => args.run(),
        Verb::Bars(args) => measure_bars(&args),
        Verb::Pools(args) => measure_pools(&args),
        Verb::Async(args) => measure_asyncs(&args),
        Verb::Processes(args) => measure_processes(&args),
        Verb::Figure(args) => args.run(),
        Verb::Load(args) => args.run().map(|()| ExitCode::SUCCESS),
        Verb::Side(side) => side.run().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn take_sample(args: &SampleArgs) -> anyhow::Result<ExitCode> {
    let text = given(args.workload, args.param, args.input.as_deref())?;
    let cpus = usize::from(args.cpus);
    cpus::confine(cpus)?;
    let (workload, param) = (args.workload, args.param);
    let expected = workload.serial(param, &text);
    let sample = if args.native {
        let peer = Native::build(args.model, cpus)?;
        sample::take(|| peer.run(workload, param, &text), expected)?
    } else {
        let handle = model::build(args.model, cpus)?;
        // A panic's payload can't be shared between threads, so the error becomes its text.
        let run = || {
            let answer = workload.run(&handle, param, &text);
            answer.map_err(|error| anyhow!("the program could not be run: {error}"))
        };
        sample::take(run, expected)?
    };
    println!("{}", sample.to_line());
    Ok(if sample.is_right() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn take_trace(args: &TraceArgs) -> anyhow::Result<ExitCode> {
    let text = given(args.workload, args.param, args.input.as_deref())?;
    let cpus = usize::from(args.cpus);
    cpus::confine(cpus)?;
    let recording = trace::take(args.model, args.workload, args.param, cpus, &text)?;
    trace::write(&recording, &args.to)?;
    Ok(ExitCode::SUCCESS)
}

/// Checks the parameter and reads the text.
fn given(workload: Workload, param: u64, input: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(
        param <= workload.max_param(),
        "--param of {workload} is at most {}",
        workload.max_param()
    );
    input.map_or(Ok(Vec::new()), |path| {
        std::fs::read(path).with_context(|| format!("could not read {}", path.display()))
    })
}

/// Fails where a bar was missed: these are kept.
fn measure_bars(args: &BarsArgs) -> anyhow::Result<ExitCode> {
    let options = args.effort.options(&args.only);
    let outcome = bars::run(&bars::SUITE, &options)?;
    args.effort.report(&outcome)?;
    Ok(if outcome.met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A bar that was missed is a result like any other: what fails is a measurement.
fn measure_pools(args: &PoolsArgs) -> anyhow::Result<ExitCode> {
    let program = match &args.rayon_on_ours {
        Some(program) => Ok(program.clone()),
        None => Err("no program for it was given; `cargo xtask bench pools` builds it".to_owned()),
    };
    let options = bars::Options {
        elsewhere: vec![(pools::RAYON_ON_OURS, program)],
        ..args.effort.options(&args.only)
    };
    show_bars(&pools::SUITE, &args.effort, &options)
}

/// As the pools'.
fn measure_asyncs(args: &AsyncArgs) -> anyhow::Result<ExitCode> {
    show_bars(
        &asyncs::SUITE,
        &args.effort,
        &args.effort.options(&args.only),
    )
}

/// Fails where a bar was missed, as the first bars do.
fn measure_processes(args: &ProcessesArgs) -> anyhow::Result<ExitCode> {
    let options = args.effort.options(&args.only);
    let outcome = bars::run(&processes::SUITE, &options)?;
    args.effort.report(&outcome)?;
    for row in &outcome.bars {
        println!("{}", bars::bar_line(row));
    }
    Ok(if outcome.met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show_bars(
    suite: &bars::Suite,
    effort: &EffortArgs,
    options: &bars::Options,
) -> anyhow::Result<ExitCode> {
    let outcome = bars::run(suite, options)?;
    effort.report(&outcome)?;
    for row in &outcome.bars {
        println!("{}", bars::bar_line(row));
    }
    Ok(ExitCode::SUCCESS)
}

impl EffortArgs {
    fn options(&self, only: &[String]) -> bars::Options {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        bars::Options {
            only: only.to_vec(),
            quick: self.quick,
            cpus: self.cpus.map_or(machine, usize::from),
            rounds: self.rounds.map_or(0, usize::from),
            elsewhere: Vec::new(),
        }
    }

    /// Prints the figures, and writes them all to the file that was asked for.
    fn report(&self, outcome: &bars::Outcome) -> anyhow::Result<()> {
        println!("{}", table::render(&outcome.shown()));
        if let Some(path) = &self.json {
            outcome
                .report
                .write(path)
                .with_context(|| format!("could not write {}", path.display()))?;
        }
        Ok(())
    }
}
