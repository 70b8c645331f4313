//! The traces of a comparison on this system: each program under each model that has a flight
//! recorder.
//!
//! They are runs of their own, after the measuring: recording takes time, which no figure has in
//! it. A run that fails leaves no trace, and says why.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use record::{Ground, Model};
use report::{Race, Trace};

use super::{Args, Input};
use crate::process;
use crate::progress::Progress;

/// How long one run may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(30);

/// What was recorded.
#[derive(Default)]
pub(super) struct Traces {
    /// One race a program that somebody could be recorded on.
    pub(super) races: Vec<Race>,
    /// Why something is missing, a sentence each.
    pub(super) missing: Vec<String>,
}

impl Traces {
    /// Adds what was recorded elsewhere.
    pub(super) fn append(&mut self, mut other: Self) {
        self.races.append(&mut other.races);
        self.missing.append(&mut other.missing);
    }
}

/// Makes the folder before anything is measured.
pub(super) fn prepare(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    ensure!(
        !fs::metadata(folder)?.permissions().readonly(),
        "could not write into {}: it is read-only",
        folder.display()
    );
    Ok(())
}

/// Records every program under every model that can, a file each.
pub(super) fn run(lab: &Path, args: &Args, input: &Input, folder: &Path) -> Traces {
    let (models, _) = args.models(Ground::Host);
    let (recorded, silent): (Vec<Model>, Vec<Model>) = models
        .into_iter()
        .partition(|model| Model::WITH_RECORDER.contains(model));
    let mut traces = Traces {
        races: Vec::new(),
        missing: without_recorder(&silent).into_iter().collect(),
    };
    // The processes run in this folder too, but their paths must not depend on it.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let progress = Progress::new(args.workloads().len() * recorded.len());
    for workload in args.workloads() {
        if process::interrupted() {
            traces
                .missing
                .push("not every model was recorded: interrupted".to_owned());
            break;
        }
        let param = workload.default_param(args.size());
        let bench = format!("{workload}/{param}");
        let mut race = Race::new(&bench);
        let mut is_empty = true;
        for model in &recorded {
            progress.begin(&format!("recording {bench} {model}"), false);
            let file = folder.join(format!("{workload}-{model}.json"));
            let mut command = Command::new(lab);
            command
                .args(["trace", "--model", model.name()])
                .args(["--workload", workload.name()])
                .args(["--param", &param.to_string()])
                .args(["--cpus", &args.cpus().to_string()])
                .arg("--to")
                .arg(&file);
            if workload.reads_input() {
                command.arg("--input").arg(input.path());
            }
            match take(&mut command, &file) {
                Ok(trace) => {
                    race = race.run(model.name(), trace);
                    is_empty = false;
                }
                Err(why) => traces
                    .missing
                    .push(format!("no trace of {bench} under {model}: {why:#}")),
            }
            progress.done();
        }
        if !is_empty {
            traces.races.push(race);
        }
    }
    traces
}

fn take(command: &mut Command, file: &Path) -> anyhow::Result<Trace> {
    let finished = process::run(command, LIMIT);
    ensure!(
        finished.outcome.success(),
        "{}: {}",
        finished.outcome,
        finished.stderr.lines().last().unwrap_or("it said nothing")
    );
    let trace = Trace::read(file)?;
    ensure!(
        trace.ends().is_some(),
        "its workers had nothing to do or to wait for, the caller did it all"
    );
    Ok(trace)
}

/// Says which models have nothing to be recorded with.
fn without_recorder(models: &[Model]) -> Option<String> {
    let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
    (!names.is_empty()).then(|| format!("no flight recorder, so no lanes: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_fails_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'wrong answer' >&2; exit 1"]);
        let error = take(&mut command, Path::new("/nonexistent")).expect_err("it failed");
        assert!(error.to_string().contains("wrong answer"), "{error}");
        let empty = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(empty.path(), r#"{"traceEvents":[]}"#).expect("written");
        let error = take(&mut Command::new("true"), empty.path()).expect_err("no lane");
        assert!(error.to_string().contains("nothing to do"), "{error}");
        let error = take(&mut Command::new("true"), Path::new("/nonexistent/trace"));
        assert!(
            error
                .expect_err("no file")
                .to_string()
                .contains("/nonexistent/trace")
        );
    }

    #[test]
    fn the_silent_ones_are_named() {
        assert_eq!(without_recorder(&[]), None);
        let told = without_recorder(&[Model::Rayon, Model::Tokio]).expect("two");
        assert!(told.ends_with("rayon, tokio"), "{told}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = prepare(&file.path().join("traces")).expect_err("a file is in the way");
        assert!(format!("{error:#}").contains("traces"), "{error:#}");
    }
}
