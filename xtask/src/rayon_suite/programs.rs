//! Builds a side's test programs and runs each under a time limit, until every test has a verdict.
//!
//! # Protocol
//! 1. A package's programs are built. One that can't be built on ours has no tests, which the
//!    comparison shows as missing, and the compiler's words are printed; on the original, whose
//!    verdicts are the measure, this ends the run.
//! 2. Each program lists its tests, then runs them all.
//! 3. Tests without a verdict (the program crashed or was killed at its limit) run again, each
//!    in a process of its own, so that one bad test doesn't hide the others.
//! 4. Doc tests run under rustdoc, all in one go.
//!
//! What the programs print is kept in `outputs/` in the side's folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::verdicts::{self, Verdict, Verdicts};
use super::{Side, shim, sources};
use crate::process::{self, Finished, Outcome};
use crate::progress::Progress;
use crate::workspace;

/// How long the programs of a package may take to build.
const BUILD_LIMIT: Duration = Duration::from_mins(15);

/// How long one program may run.
const PROGRAM_LIMIT: Duration = Duration::from_mins(4);

/// How long one test may run in a process of its own.
const ALONE_LIMIT: Duration = Duration::from_secs(60);

/// After this many tests of a program have reached [`ALONE_LIMIT`], the rest isn't tried.
const PATIENCE: usize = 3;

/// How long the doc tests of a package may take, their building included.
const DOC_LIMIT: Duration = Duration::from_mins(8);

/// How the tests are run.
#[derive(Debug)]
pub(super) struct Options<'a> {
    /// Only programs whose name contains this.
    pub(super) only: Option<&'a str>,
    /// Workers of the global pool.
    pub(super) threads: Option<usize>,
}

/// A built test program.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    name: String,
    executable: PathBuf,
    /// Where cargo would run it.
    dir: PathBuf,
}

/// One side's run.
struct Run<'a> {
    side: Side,
    dir: &'a Path,
    build: PathBuf,
    options: &'a Options<'a>,
    progress: Progress,
    verdicts: Verdicts,
}

/// Runs everything in the workspace `dir`, which is built below `folder`.
///
/// # Errors
/// Where nothing of a package can be built, or not all of it on the original, or an output can't be kept; what goes wrong with a
/// test is a verdict.
pub(super) fn run(
    side: Side,
    dir: &Path,
    folder: &Path,
    options: &Options<'_>,
) -> anyhow::Result<Verdicts> {
    let mut run = Run {
        side,
        dir,
        // One folder for both: what doesn't depend on the scheduler is built once.
        build: folder.join("build"),
        options,
        progress: Progress::new(4),
        verdicts: Verdicts::default(),
    };
    for package in ["rayon", shim::NAME] {
        run.package(package)?;
    }
    drop(run.progress);
    Ok(run.verdicts)
}

impl Run<'_> {
    fn package(&mut self, package: &str) -> anyhow::Result<()> {
        // The shim's tests are rayon-core's.
        let shown = package.strip_suffix("-tests").unwrap_or(package);
        self.begin(&format!("{shown}: test programs"));
        let programs: Vec<_> = self
            .programs(package, shown)?
            .into_iter()
            .filter(|program| self.wants(&program.name))
            .collect();
        for program in &programs {
            self.program(program)?;
        }
        self.progress.done();
        let name = format!("{shown}: doc tests");
        if self.wants(&name) {
            self.begin(&name);
            self.doc_tests(package, &name)?;
        }
        self.progress.done();
        Ok(())
    }

    fn begin(&self, what: &str) {
        let what = format!("{what} on {}", self.side.name());
        self.progress.begin(&what, true);
    }

    fn wants(&self, name: &str) -> bool {
        self.options.only.is_none_or(|part| name.contains(part))
    }

    /// A cargo command, `verb` of what belongs to the tests of `package`.
    fn cargo(&self, verb: &str, package: &str) -> Command {
        let mut command = workspace::cargo_in(self.dir);
        command
            .args([verb, "--package", package, "--target-dir"])
            .arg(&self.build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0");
        self.environment(&mut command);
        command
    }

    /// What must be the same on both sides.
    fn environment(&self, command: &mut Command) {
        match self.options.threads {
            Some(threads) => command.env("RAYON_NUM_THREADS", threads.to_string()),
            None => command.env_remove("RAYON_NUM_THREADS"),
        };
    }

    /// Builds the programs of a package.
    fn programs(&self, package: &str, shown: &str) -> anyhow::Result<Vec<Program>> {
        // `cargo test` itself stops at the first program that can't be built.
        let mut command = self.cargo("build", package);
        command.args([
            "--tests",
            "--keep-going",
            "--message-format=json-render-diagnostics",
        ]);
        let finished = process::run(&mut command, BUILD_LIMIT);
        self.keep(&format!("{shown}: build"), &finished.stderr)?;
        if !finished.outcome.success() {
            self.progress.say(&format!(
                "building the tests of {shown} on {}: {}\n{}",
                self.side.name(),
                finished.outcome,
                finished.stderr
            ));
            // What is missing there would be missing in the count, and nobody would see it.
            if self.side == Side::Original {
                bail!(
                    "the tests of {shown} could not all be built on the original: {}",
                    finished.outcome
                );
            }
        }
        let programs = executables(&finished.stdout, shown)?;
        if programs.is_empty() {
            bail!("no test program of {shown} could be built");
        }
        Ok(programs)
    }

    /// Runs all tests of a program.
    fn program(&mut self, program: &Program) -> anyhow::Result<()> {
        let list = self.start(program, &["--list", "--format", "terse"], ALONE_LIMIT);
        let finished = self.start(program, &[], PROGRAM_LIMIT);
        self.keep(&program.name, &finished.stdout)?;
        let said = verdicts::parse(&finished.stdout);
        for (test, verdict) in &said {
            self.verdicts.set(&program.name, test, *verdict);
        }
        let mut patience = PATIENCE;
        for test in verdicts::parse_list(&list.stdout) {
            if said.iter().any(|(known, _)| *known == test) {
                continue;
            }
            let verdict = if patience == 0 {
                without_a_word(&finished.outcome)
            } else {
                self.alone(program, &test)?
            };
            if verdict == Verdict::TimedOut {
                patience = patience.saturating_sub(1);
            }
            self.verdicts.set(&program.name, &test, verdict);
        }
        Ok(())
    }

    /// Runs one test in a process of its own.
    fn alone(&self, program: &Program, test: &str) -> anyhow::Result<Verdict> {
        let finished = self.start(program, &["--exact", test], ALONE_LIMIT);
        self.keep(&format!("{}: {test}", program.name), &finished.stdout)?;
        let said = verdicts::parse(&finished.stdout);
        Ok(said
            .into_iter()
            .find(|(known, _)| known == test)
            .map_or_else(|| without_a_word(&finished.outcome), |(_, verdict)| verdict))
    }

    fn start(&self, program: &Program, args: &[&str], limit: Duration) -> Finished {
        let mut command = Command::new(&program.executable);
        command.args(args).current_dir(&program.dir);
        self.environment(&mut command);
        process::run_merged(&mut command, limit)
    }

    fn doc_tests(&mut self, package: &str, name: &str) -> anyhow::Result<()> {
        let mut list = self.cargo("test", package);
        list.args(["--doc", "--", "--list", "--format", "terse"]);
        let list = process::run_merged(&mut list, DOC_LIMIT);
        let finished = process::run_merged(self.cargo("test", package).arg("--doc"), DOC_LIMIT);
        self.keep(name, &finished.stdout)?;
        for test in verdicts::parse_list(&list.stdout) {
            let verdict = without_a_word(&finished.outcome);
            self.verdicts.set(name, &test, verdict);
        }
        for (test, verdict) in verdicts::parse(&finished.stdout) {
            self.verdicts.set(name, &test, verdict);
        }
        Ok(())
    }

    /// Keeps what was printed.
    fn keep(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = name.replace([':', '/', ' '], "-") + ".txt";
        sources::write(&self.dir.join("outputs").join(file), text)
    }
}

/// The verdict on a test of which its process has said nothing before it ended.
fn without_a_word(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::TimedOut(_) => Verdict::TimedOut,
        Outcome::Exited(_) | Outcome::NotStarted(_) => Verdict::Crashed,
    }
}

/// Reads from cargo's messages which programs it has built.
fn executables(messages: &str, shown: &str) -> anyhow::Result<Vec<Program>> {
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages are not JSON")?;
        let target = &message["target"];
        let (Some(executable), Some(name), Some(manifest)) = (
            message["executable"].as_str(),
            target["name"].as_str(),
            message["manifest_path"].as_str(),
        ) else {
            continue;
        };
        let integration = target["kind"][0] == "test";
        programs.push(Program {
            name: if integration {
                format!("{shown}: tests/{name}")
            } else {
                format!("{shown}: unit tests")
            },
            executable: PathBuf::from(executable),
            dir: Path::new(manifest)
                .parent()
                .context("a manifest lies in a folder")?
                .to_owned(),
        });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_by_package_and_kind() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","target":{"kind":["lib"],"name":"rayon"},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","target":{"kind":["lib"],"name":"rayon"},"executable":"/t/rayon-1"}
{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","target":{"kind":["test"],"name":"chars"},"executable":"/t/chars-1"}
{"reason":"build-finished","success":true}"#;
        let program = |name: &str, executable: &str| Program {
            name: name.to_owned(),
            executable: PathBuf::from(executable),
            dir: PathBuf::from("/p"),
        };
        assert_eq!(
            executables(messages, "rayon").expect("JSON"),
            [
                program("rayon: tests/chars", "/t/chars-1"),
                program("rayon: unit tests", "/t/rayon-1")
            ]
        );
    }
}
