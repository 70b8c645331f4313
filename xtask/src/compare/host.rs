//! The host ground: every sample is a fresh process of the lab.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use record::{Effort, Ground, Model, Sample};
use workloads::Workload;

use super::tally::{Key, Tally};
use super::{Args, Input};
use crate::process::{self, Outcome};
use crate::progress::Progress;
use crate::workspace;

/// How long the lab's release build may take on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_mins(15);

/// How long one sample may take before it counts as hung.
const fn limit(quick: bool) -> Duration {
    Duration::from_secs(if quick { 10 } else { 30 })
}

/// What is measured: a program under a model, or on a peer without our trait.
struct Subject {
    workload: Workload,
    model: Model,
    native: bool,
    param: u64,
}

/// Runs every program under every model, and on the peers themselves where they are made
/// for it.
pub(super) fn run(lab: &Path, args: &Args, input: &Input) -> anyhow::Result<Tally> {
    let mut tally = Tally::new(Ground::Host);
    let (effort, limit) = (Effort::of(args.quick), limit(args.quick));
    let subjects = subjects(args, &natives(lab)?);
    let mut took = vec![Duration::ZERO; subjects.len()];
    let progress = Progress::new(effort.most * subjects.len());
    for round in 1..=effort.most {
        for (subject, took) in subjects.iter().zip(&mut took) {
            let key = subject.key();
            if process::interrupted() {
                tally.end(&key, super::INTERRUPTED);
                continue;
            }
            let what = format!("{} {}", key.bench, key.subject);
            let samples = effort.rounds.max(round);
            progress.begin(
                &format!("host {what}, sample {round} of {samples}"),
                round == 1,
            );
            if !tally.is_out(&key) && effort.grants(round, *took) {
                let begun = Instant::now();
                match take(&mut subject.command(lab, args.cpus(), input), limit) {
                    Ok(sample) => tally.add(&key, sample),
                    // Whoever was interrupted did not fail.
                    Err(_) if process::interrupted() => tally.end(&key, super::INTERRUPTED),
                    Err(reason) => {
                        progress.say(&format!("{what}: {reason}"));
                        tally.put_out(&key, reason);
                    }
                }
                *took += begun.elapsed();
            }
            progress.done();
        }
    }
    Ok(tally)
}

fn subjects(args: &Args, natives: &[(Model, Workload)]) -> Vec<Subject> {
    let (models, _) = args.models(Ground::Host);
    let mut subjects = Vec::new();
    for workload in args.workloads() {
        let param = workload.default_param(args.size());
        for &model in &models {
            subjects.push(Subject {
                workload,
                model,
                native: false,
                param,
            });
            if natives.contains(&(model, workload)) {
                subjects.push(Subject {
                    workload,
                    model,
                    native: true,
                    param,
                });
            }
        }
    }
    subjects
}

impl Subject {
    fn key(&self) -> Key {
        let suffix = if self.native { "-native" } else { "" };
        Key {
            bench: format!("{}/{}", self.workload, self.param),
            subject: format!("{}{suffix}", self.model),
        }
    }

    fn command(&self, lab: &Path, cpus: u32, input: &Input) -> Command {
        let mut command = Command::new(lab);
        command
            .args(["sample", "--model", self.model.name()])
            .args(["--workload", self.workload.name()])
            .args(["--param", &self.param.to_string()])
            .args(["--cpus", &cpus.to_string()]);
        if self.native {
            command.arg("--native");
        }
        if self.workload.reads_input() {
            command.arg("--input").arg(input.path());
        }
        command
    }
}

/// Asks the lab what it can run on the peers without our trait.
fn natives(lab: &Path) -> anyhow::Result<Vec<(Model, Workload)>> {
    let finished = process::run(Command::new(lab).arg("natives"), Duration::from_secs(10));
    if !finished.outcome.success() {
        bail!(
            "the lab doesn't run: {}\n{}",
            finished.outcome,
            finished.stderr
        );
    }
    Ok(finished.stdout.lines().filter_map(native).collect())
}

fn native(line: &str) -> Option<(Model, Workload)> {
    let (model, workload) = line.split_once(' ')?;
    Some((model.parse().ok()?, workload.parse().ok()?))
}

/// Runs one sample; the error is the note of its row.
fn take(command: &mut Command, limit: Duration) -> Result<Sample, String> {
    let finished = process::run(command, limit);
    match (Sample::from_output(&finished.stdout), finished.outcome) {
        // A wrong answer ends the process with a failure, but it is an answer.
        (Some(sample), Outcome::Exited(_)) => Ok(sample),
        (_, Outcome::TimedOut(limit)) => Err(format!("killed after {} s", limit.as_secs())),
        (_, outcome) => {
            let last = finished
                .stderr
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty());
            Err(format!(
                "{outcome}: {}",
                last.unwrap_or("it said nothing").trim()
            ))
        }
    }
}

/// Builds the lab in release and returns its program.
pub(crate) fn build_lab() -> anyhow::Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args([
        "build",
        "--locked",
        "--release",
        "--package",
        "benches",
        "--bin",
        "lab",
    ]);
    build_program("the lab", command)
}

/// Runs a cargo command that builds one program and returns where that is.
pub(crate) fn build_program(what: &str, mut command: Command) -> anyhow::Result<PathBuf> {
    let progress = Progress::new(1);
    progress.begin(&format!("building {what}"), true);
    command.arg("--message-format=json-render-diagnostics");
    let finished = process::run(&mut command, BUILD_LIMIT);
    drop(progress);
    if !finished.outcome.success() {
        bail!(
            "could not build {what}: {}\n{}",
            finished.outcome,
            finished.stderr
        );
    }
    executable(&finished.stdout).context("cargo did not say where the program is")
}

/// Finds the program in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_sample_line_is_taken_even_from_a_failure() {
        let line = Sample {
            time_ns: 1.0,
            voluntary: 0.0,
            involuntary: 0.0,
            runs: 1,
            checksum: 1,
            expected: 2,
            foreign: None,
            mhz: None,
        };
        let mut command = sh(&format!("echo '{}'; exit 1", line.to_line()));
        assert_eq!(take(&mut command, LONG), Ok(line));
    }

    #[test]
    fn a_hanging_subject_is_killed_and_noted() {
        let note = take(&mut sh("sleep 600"), Duration::from_millis(100)).expect_err("it hangs");
        assert!(note.starts_with("killed after"), "{note}");
    }

    #[test]
    fn a_crash_is_noted_with_its_last_words() {
        let note =
            take(&mut sh("echo 'out of threads' >&2; exit 101"), LONG).expect_err("it fails");
        assert_eq!(note, "exit status: 101: out of threads");
    }

    #[test]
    fn the_labs_list_is_read() {
        assert_eq!(
            native("tokio ping-pong"),
            Some((Model::Tokio, Workload::PingPong))
        );
        assert_eq!(native("tokio"), None);
    }

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"executable\":\"/t/release/lab\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/release/lab")));
        assert_eq!(executable("{}"), None);
    }
}
