//! `cargo xtask advise`: which model for this work, with the figures that say so.
//!
//! # Protocol
//! 1. The wishes come from flags; without any, they are asked for, where there is a terminal.
//! 2. The labs that decide about them are run, quick and on this system only: `compare` does that, as
//!    another process of this program, and its rows are read. With `--json` they come from an earlier run.
//! 3. [`decide`](decide::decide) gives the advice.
//!
//! The status is 0 with an advice, 1 without, 2 where nothing was wished for, 130 when interrupted.

mod answer;
mod criteria;
mod decide;
mod wishes;

use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use record::{Report, Row, metric};

use crate::process;
use wishes::Wishes;

/// How long the measuring may take: it ends each of its cases by itself.
const LIMIT: Duration = Duration::from_hours(2);

/// Advise a model for your work, measured on this machine.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    wishes: Wishes,

    /// Read the figures of an earlier run instead of measuring: a file of compare --json
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Measure in full size instead of quick
    #[arg(long, conflicts_with = "json")]
    full: bool,

    /// Measure with this program instead of building the lab
    #[arg(long, value_name = "PROGRAM", hide = true)]
    lab: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut wishes = args.wishes;
    if wishes.is_empty() {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if is_terminal {
            wishes = match Wishes::ask() {
                Err(dialoguer::Error::IO(why)) if why.kind() == ErrorKind::Interrupted => {
                    process::end_interrupted()
                }
                asked => asked.context("could not ask")?,
            };
        }
        if wishes.is_empty() {
            let said = match is_terminal {
                true => "by these answers any model will do",
                false => "nothing to advise on",
            };
            eprintln!(
                "error: {said}; say what the work is like: --isolation, --cpu-bound, --parallel, \
                 --waits few|many, --blocking, --latency-target 2ms"
            );
            return Ok(ExitCode::from(2));
        }
    }
    let report = match &args.json {
        Some(path) => Report::read(path)?,
        None => measure(&wishes, args)?,
    };
    let advice = decide::decide(&wishes, &report.rows);
    if report.interrupted {
        println!("partial: somebody ended the run before it was complete");
    }
    println!("{}", answer::render(&advice));
    println!("{}", source(&report, args.json.as_deref()));
    if let (Some(path), false) = (&args.json, advice.unmeasured.is_empty()) {
        println!(
            "what is not measured is not in {}: leave --json out, and it is measured now",
            path.display()
        );
    }
    Ok(
        match (
            report.interrupted && args.json.is_none(),
            advice.best.is_empty(),
        ) {
            (true, _) => ExitCode::from(process::INTERRUPTED_STATUS),
            (false, true) => ExitCode::FAILURE,
            (false, false) => ExitCode::SUCCESS,
        },
    )
}

/// Where the figures come from, and how far they can be trusted: those that explain others don't count.
fn source(report: &Report, path: Option<&Path>) -> String {
    let own = |row: &&Row| !metric::explains(&row.metric);
    let noisy = |row: &&Row| own(row) && row.noise.is_some();
    let from = match path {
        Some(path) => format!("the figures: {}", path.display()),
        None => "the figures: measured just now".to_owned(),
    };
    let count = |which: &dyn Fn(&&Row) -> bool| report.rows.iter().filter(|row| which(row)).count();
    let (all, noisy) = (count(&own), count(&noisy));
    let again = match noisy * 2 > all {
        true => ": measure again on a quiet machine, or with --full, before you rely on it",
        false => "",
    };
    format!(
        "{from}, on {} with {} CPUs, revision {}; {noisy} of {all} are noisy{again}",
        report.machine.cpu, report.machine.cores, report.git
    )
}

/// Lets `compare` measure what decides.
fn measure(wishes: &Wishes, args: &Args) -> anyhow::Result<Report> {
    process::keep_results_when_interrupted();
    let (labs, programs, parts) = criteria::measured_by(&criteria::of(wishes));
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rows.json");
    let mut command = Command::new(std::env::current_exe().context("could not find this program")?);
    command
        .arg("compare")
        .args(labs.iter().map(|lab| lab.name()));
    command.args(["--ground", "host", "--json"]).arg(&path);
    if !args.full {
        command.arg("--quick");
    }
    if let Some(lab) = &args.lab {
        command.arg("--lab").arg(lab);
    }
    let programs: Vec<_> = programs.iter().map(|program| program.name()).collect();
    for (flag, names) in [
        ("--workloads", programs.join(",")),
        ("--only", parts.join(",")),
    ] {
        if !names.is_empty() {
            command.args([flag, &names]);
        }
    }
    // Its table is not the answer; what it says about its progress is for the person who waits.
    command.stdout(Stdio::null());
    let finished = process::run_on_terminal(&mut command, LIMIT);
    ensure!(
        finished.outcome.success() || path.exists(),
        "could not measure: {}",
        finished.outcome
    );
    Ok(Report::read(&path)?)
}
