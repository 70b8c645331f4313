//! `cargo xtask test`: every check and every test, in one run that can't hang.
//!
//! Each step is a child process under a time limit. A step that fails shows its whole
//! output and doesn't stop the others, so that one run tells everything that is wrong. The
//! last line counts what the test programs have said; a step that failed without a failing
//! test (formatting, a build, a time limit) counts as one failure.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::process::{self, Finished};
use crate::progress::Progress;
use crate::{loom, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the steps whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// One step of the run.
struct Step {
    name: &'static str,
    limit: Duration,
    command: Command,
}

fn steps() -> Vec<Step> {
    let kernel = workspace::root().join("kernel");
    let step = |name, minutes, command| Step {
        name,
        limit: Duration::from_mins(minutes),
        command,
    };
    let with = |mut command: Command, args: &[&str]| {
        command.args(args);
        command
    };
    let mut documentation = with(
        workspace::cargo(),
        &["doc", "--locked", "--workspace", "--no-deps"],
    );
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        step(
            "format",
            1,
            with(workspace::cargo(), &["fmt", "--all", "--check"]),
        ),
        step(
            "format: kernel",
            1,
            with(workspace::cargo_in(&kernel), &["fmt", "--all", "--check"]),
        ),
        step(
            "clippy",
            8,
            with(
                workspace::cargo(),
                &[
                    "clippy",
                    "--locked",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ],
            ),
        ),
        step(
            "clippy: kernel",
            5,
            with(
                workspace::cargo_in(&kernel),
                &["clippy", "--locked", "--workspace", "--", "-D", "warnings"],
            ),
        ),
        step("documentation", 5, documentation),
        step(
            "tests",
            10,
            with(
                workspace::cargo(),
                &["test", "--locked", "--workspace", "--no-fail-fast"],
            ),
        ),
        step(
            "loom models",
            loom::LIMIT.as_secs() / 60,
            loom::command(None),
        ),
    ]
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let mut steps = steps();
    if let Some(part) = &args.only {
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        steps.retain(|step| step.name.contains(part.as_str()));
        if steps.is_empty() {
            eprintln!(
                "error: no step is named like '{part}'; valid: {}",
                names.join(", ")
            );
            return Ok(ExitCode::from(2));
        }
    }
    let progress = Progress::new(steps.len());
    let mut total = Counts::default();
    for step in steps {
        total += take(step, &progress);
    }
    drop(progress);
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn take(mut step: Step, progress: &Progress) -> Counts {
    progress.begin(step.name, true);
    let Finished {
        outcome,
        stdout,
        took,
        ..
    } = process::run_merged(&mut step.command, step.limit);
    let mut counts = Counts::from_libtest(&stdout);
    if !outcome.success() {
        counts.failed = counts.failed.max(1);
        progress.say(&stdout);
    }
    let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
    progress.say(&format!(
        "{verdict:<6} {} ({counts}; {outcome}; {:.1} s)",
        step.name,
        took.as_secs_f64()
    ));
    progress.done();
    counts
}
