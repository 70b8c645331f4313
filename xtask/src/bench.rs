//! `cargo xtask bench SUITE`: builds the lab and lets it measure a suite.
//!
//! The lab takes this process's place: it starts a fresh process a sample by itself, and an
//! interrupt reaches it and its samples directly.

use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use crate::compare;

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
}

/// Runs the verb; returns only where the lab can't be built or started.
pub(crate) fn run(suite: &Suite) -> anyhow::Result<Infallible> {
    let (name, args) = match suite {
        Suite::Bars { args } => ("bars", args),
    };
    let lab = compare::build_lab()?;
    let error = Command::new(&lab).arg(name).args(args).exec();
    Err(error).with_context(|| format!("could not start {}", lab.display()))
}
