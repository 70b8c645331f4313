//! `cargo xtask bench SUITE`: builds the lab and lets it measure a suite.
//!
//! The lab takes this process's place: it starts a fresh process a sample by itself, and an
//! interrupt reaches it and its samples directly.
//!
//! The suite of the work-stealing pool needs two programs: the lab with all peers, and the same
//! lines with rayon on our core, which is a package of its own, since two of rayon's cores can't
//! be in one build. Where that one can't be built, its rows say so and the others are measured.
//! The same holds for the runtimes on io_uring in the suite of the async executor.

use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use crate::{compare, workspace};

/// The suites of the lab.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Suite {
    /// The ratio bars: ours against theirs, a round at a time
    #[command(disable_help_flag = true)]
    Bars {
        /// What the lab takes; --help lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The work-stealing pool, and rayon on it, against the other pools
    #[command(disable_help_flag = true)]
    Pools {
        /// What the lab takes; --help lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The pool of processes against bare processes
    #[command(disable_help_flag = true)]
    Processes {
        /// What the lab takes; --help lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The async executor against the other runtimes
    #[command(disable_help_flag = true)]
    Async {
        /// What the lab takes; --help lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Runs the verb; returns only where the lab can't be built or started.
pub(crate) fn run(suite: &Suite) -> anyhow::Result<Infallible> {
    let mut command = match suite {
        Suite::Bars { args } => {
            let mut command = Command::new(compare::build_lab()?);
            command.arg("bars").args(args);
            command
        }
        Suite::Processes { args } => {
            let mut command = Command::new(compare::build_lab()?);
            command.arg("processes").args(args);
            command
        }
        Suite::Pools { args } => pools(args)?,
        Suite::Async { args } => asyncs(args)?,
    };
    let error = command.exec();
    let program = command.get_program().display();
    Err(error).with_context(|| format!("could not start {program}"))
}

/// The lab with every peer, told where the program with rayon on our core is.
fn pools(args: &[String]) -> anyhow::Result<Command> {
    let mut build = workspace::cargo();
    build
        .args(["build", "--locked", "--release", "--package", "benches"])
        .args(["--bin", "lab", "--features", "benches/peers"])
        // forte asks for a later compiler than it needs, so it hangs on a flag of its own.
        .arg("--ignore-rust-version")
        .env("RUSTFLAGS", "--cfg forte")
        .env("CARGO_TARGET_DIR", workspace::target().join("pools"));
    let mut command = Command::new(compare::build_program("the lab with all peers", build)?);
    command.arg("pools");

    let folder = workspace::root().join("benches/rayon-on-ours");
    let mut build = workspace::cargo_in(&folder);
    build.args(["build", "--locked", "--release"]).env(
        "CARGO_TARGET_DIR",
        workspace::target().join("rayon-on-ours"),
    );
    match compare::build_program("rayon on our core", build) {
        Ok(program) => {
            command.arg("--rayon-on-ours").arg(program);
        }
        Err(error) => eprintln!("{error:#}"),
    }
    command.args(args);
    Ok(command)
}

/// The lab with every runtime; without those on io_uring where they can't be built, which its
/// rows then say.
fn asyncs(args: &[String]) -> anyhow::Result<Command> {
    let build = |features: &str| {
        let mut build = workspace::cargo();
        build
            .args(["build", "--locked", "--release", "--package", "benches"])
            .args(["--bin", "lab", "--features", features])
            .env("CARGO_TARGET_DIR", workspace::target().join("async"));
        compare::build_program("the lab with all runtimes", build)
    };
    let peers = "benches/async-peers";
    let with = |more: &[&str]| {
        let features: Vec<_> = more.iter().map(|one| format!("benches/{one}")).collect();
        format!("{peers},{}", features.join(","))
    };
    let tries = [
        with(&["monoio", "compio"]),
        with(&["monoio"]),
        with(&["compio"]),
        peers.to_owned(),
    ];
    let mut program = build(&tries[0]);
    for features in &tries[1..] {
        if let Err(error) = &program {
            eprintln!("{error:#}; again with {features}");
            program = build(features);
        }
    }
    let mut command = Command::new(program?);
    command.arg("async").args(args);
    Ok(command)
}
