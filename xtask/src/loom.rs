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
    /// Run only the models of the programs whose name contains this, or else those whose own name does
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
        .env("RUSTFLAGS", "--cfg loom")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        command.env("LOOM_MAX_PREEMPTIONS", MAX_PREEMPTIONS);
    }
    let named = filter.map(programs).unwrap_or_default();
    match filter {
        Some(_) if !named.is_empty() => {
            for program in named {
                command.arg("--test").arg(program);
            }
        }
        _ => {
            command.arg("--tests").args(filter);
        }
    }
    command
}

/// The programs of models whose name contains `part`: one a file.
fn programs(part: &str) -> Vec<String> {
    let folder = workspace::root().join("loom-tests/tests");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .filter(|name| name.contains(part))
        .collect();
    names.sort();
    names
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
    let counts = Counts::from_libtest(&stdout);
    println!("{counts}");
    if !outcome.success() {
        bail!("the loom models failed: {outcome}");
    }
    if counts == Counts::default() {
        bail!("no model is named so; see the files in loom-tests/tests");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::programs;

    #[test]
    fn models_are_found_by_the_names_of_their_files() {
        assert_eq!(programs("mini_watch"), ["mini_watch"]);
        assert!(programs("kcore").len() > 5);
        assert!(programs("no such model").is_empty());
    }
}
