//! `cargo xtask loom`: the loom models, built apart and bounded.
//!
//! `--cfg loom` changes every crate of the family, so the models have a build folder of
//! their own: the ordinary one stays warm. The profile `loom` of the root manifest says how they
//! are built.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::bail;

use crate::counts::Counts;
use crate::process::{self, Finished};
use crate::progress::Progress;
use crate::workspace;

/// Preemptions a model may make where the caller sets no `LOOM_MAX_PREEMPTIONS`. Nearly
/// all races need two at most, and each further one multiplies the executions; three is what
/// the least numbers of executions are written for.
const MAX_PREEMPTIONS: &str = "3";

/// How long the build and all models may take together; a quiet machine takes a tenth.
pub(crate) const LIMIT: Duration = Duration::from_mins(30);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the models whose name contains this
    filter: Option<String>,
}

/// The command that builds and runs the models.
pub(crate) fn command(filter: Option<&str>) -> Command {
    let mut command = workspace::cargo();
    command
        .args([
            "test",
            "--locked",
            "--profile",
            "loom",
            "--no-fail-fast",
            "--package",
            "loom-tests",
        ])
        .arg("--target-dir")
        .arg(workspace::target().join("loom"))
        .arg("--tests")
        .args(filter)
        .env("RUSTFLAGS", "--cfg loom")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        command.env("LOOM_MAX_PREEMPTIONS", MAX_PREEMPTIONS);
    }
    command
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let progress = Progress::new(1);
    progress.begin("loom models", true);
    let Finished {
        outcome,
        stdout,
        took,
        ..
    } = process::run_merged(&mut command(args.filter.as_deref()), LIMIT);
    drop(progress);
    print!("{stdout}");
    println!("loom models: {outcome} in {:.1} s", took.as_secs_f64());
    println!("{}", Counts::from_libtest(&stdout));
    if !outcome.success() {
        bail!("the loom models failed: {outcome}");
    }
    Ok(ExitCode::SUCCESS)
}
