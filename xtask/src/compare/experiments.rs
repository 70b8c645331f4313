//! The labs beside the models' programs: on this system by the lab itself, in our kernel by its
//! programs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use record::{Experiment, Machine, Report};

use super::Args;
use crate::process;

/// How long an experiment may take: the lab ends each of its cases by itself.
const LIMIT: Duration = Duration::from_hours(2);

/// Lets the lab run an experiment, and reads what it has written.
///
/// # Errors
/// Where the lab fails. A case that fails is a row with a reason.
pub(super) fn on_host(lab: &Path, experiment: Experiment, args: &Args) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rows.json");
    let mut command = Command::new(lab);
    command
        .args(["run", experiment.name(), "--no-table"])
        .args(["--cpus", &args.cpus().to_string()])
        .arg("--json")
        .arg(&path);
    if args.quick {
        command.arg("--quick");
    }
    if let Some(benches) = args.only() {
        command.args(["--only", &benches]);
    }
    let finished = process::run_on_terminal(&mut command, LIMIT);
    // A lab that was interrupted has written what it had, unless that came too early; so has one with a
    // wrong answer, whose row says so.
    if !finished.outcome.success() && !process::interrupted() && !path.exists() {
        bail!("the lab could not run {experiment}: {}", finished.outcome);
    }
    if process::interrupted() && !path.exists() {
        let mut nothing = Report::new(String::new(), Machine::default());
        nothing.interrupted = true;
        return Ok(nothing);
    }
    Report::read(&path).context("could not read what the lab has measured")
}
