//! `cargo xtask kernel build | test | run | measure`: the kernel and its programs, in QEMU.
//!
//! The kernel is a workspace of its own with a build folder of its own: it is linked for bare metal,
//! and flags that the caller may have set for the host (loom, sanitizers, coverage) must not reach
//! it. Everything that boots goes through [`crate::qemu::Machine`], which can't hang.

mod bench;
mod cases;
mod contract;
mod expect;
pub(crate) mod labs;
mod measure;
mod plan;
pub(crate) mod programs;
mod run;
mod shell;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;

pub(crate) use plan::test_all;

use crate::initrd::Entry;
use crate::process;
use crate::qemu;
use crate::workspace;

/// Names the build folder where the default, `kernel/target`, will not do.
const TARGET_VARIABLE: &str = "KERNEL_TARGET_DIR";

/// How long a build may take; a quiet machine takes one minute.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_mins(20);

/// The numbers of processors that the tests run on.
pub(crate) const TESTED_CPUS: [u32; 3] = [1, 2, 4];

/// The verbs below `kernel`.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Build the kernel and its programs
    Build {
        /// Without optimisation, with debug assertions
        #[arg(long)]
        debug: bool,
    },
    /// Boot every test case, on every number of processors
    Test {
        /// Run only the cases whose name contains this
        filter: Option<String>,
        /// Numbers of processors, separated by commas
        #[arg(long, value_delimiter = ',', default_values_t = TESTED_CPUS, value_parser = cpus_parser())]
        cpus: Vec<u32>,
        /// Boot each case this many times, one pass after another
        #[arg(long, default_value_t = 1)]
        repeat: u32,
        /// How many processors boots may take together [default: those of the host]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        jobs: Option<u32>,
    },
    /// Boot one program: its output is this command's, its status too
    Run(run::Args),
    /// Count the instructions of the basic operations, twice, and check the bars
    Measure,
}

fn cpus_parser() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(qemu::MAX_CPUS))
}

/// Runs a verb.
pub(crate) fn verb(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Build { debug } => {
            let images = build(Profile::debug(*debug))?;
            println!("{}", images.kernel.display());
            for (_, path) in &images.programs {
                println!("{}", path.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::Test {
            filter,
            cpus,
            repeat,
            jobs,
        } => {
            let counts = plan::test(&plan::Wish {
                cpus,
                filter: filter.as_deref(),
                repeat: *repeat,
                jobs: *jobs,
            })?;
            println!("{counts}");
            Ok(if counts.failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Verb::Run(args) => Ok(run::verb(args)),
        Verb::Measure => {
            let program = qemu::ensure().program()?;
            let images = build(Profile::Release)?;
            let figures = measure::figures(&program, &images)?;
            print!("{}", measure::table(&figures));
            let late = figures.iter().filter(|figure| !figure.within_bar()).count();
            Ok(if late == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

/// How the kernel is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Optimised: what is tested and measured.
    #[default]
    Release,
    /// As that, with the debug assertions.
    Checked,
    /// Unoptimised, with the debug assertions.
    Debug,
}

impl Profile {
    fn debug(wanted: bool) -> Self {
        if wanted { Self::Debug } else { Self::Release }
    }

    /// What cargo calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Checked => "checked",
            Self::Debug => "dev",
        }
    }
}

/// What a build has made.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    /// The kernel's ELF file.
    pub(crate) kernel: PathBuf,
    /// The programs' names and ELF files.
    pub(crate) programs: Vec<(String, PathBuf)>,
}

impl Images {
    /// All programs as entries of an archive.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        self.programs
            .iter()
            .map(|(name, path)| Entry::program(name, path))
            .collect()
    }
}

/// The folder that the kernel is built into.
pub(crate) fn target() -> PathBuf {
    let kernel = workspace::root().join("kernel");
    match std::env::var_os(TARGET_VARIABLE) {
        Some(dir) => kernel.join(dir),
        None => kernel.join("target"),
    }
}

/// Builds the kernel and its programs.
///
/// # Errors
/// With cargo's own words.
pub(crate) fn build(profile: Profile) -> anyhow::Result<Images> {
    let finished = process::run(&mut build_command(profile), BUILD_LIMIT);
    if !finished.outcome.success() {
        bail!(
            "building the kernel failed: {}\n{}",
            finished.outcome,
            finished.stderr
        );
    }
    executables(&finished.stdout)
}

/// The command that builds the kernel and its programs, and tells what it has made.
pub(crate) fn build_command(profile: Profile) -> Command {
    let mut command = workspace::cargo_in(&workspace::root().join("kernel"));
    command
        .args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target())
        .args(["--profile", profile.name()]);
    // The programs are the same ones.
    if profile == Profile::Checked {
        command.args(["--package", "kernel"]);
    }
    // What is meant for the host's build must not reach the bare-metal one.
    for variable in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Reads which executables cargo says it has made.
fn executables(messages: &str) -> anyhow::Result<Images> {
    let mut kernel = None;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("cargo's messages are not JSON")?;
        let (Some(name), Some(path)) = (
            message["target"]["name"].as_str(),
            message["executable"].as_str(),
        ) else {
            continue;
        };
        if name == "kernel" {
            kernel = Some(PathBuf::from(path));
        } else {
            programs.push((name.to_owned(), PathBuf::from(path)));
        }
    }
    programs.sort();
    Ok(Images {
        kernel: kernel.context("cargo built no kernel")?,
        programs,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"kcore"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"kernel"},"executable":"/t/kernel"}
{"reason":"compiler-artifact","target":{"name":"hello"},"executable":"/t/hello"}
{"reason":"build-finished","success":true}"#;
        let images = executables(messages).expect("a kernel is among them");
        assert_eq!(images.kernel, Path::new("/t/kernel"));
        assert_eq!(
            images.programs,
            [("hello".to_owned(), PathBuf::from("/t/hello"))]
        );
        assert!(
            executables("").is_err(),
            "a build without a kernel is an error"
        );
    }

    #[test]
    fn no_two_cases_have_one_name() {
        let mut names: Vec<_> = cases::all().map(|case| case.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
