//! `cargo xtask rayon-suite`: rayon's own tests on our scheduler, beside the same tests on its own.
//!
//! The published packages are taken from the registry as any user's build takes them, unpacked
//! below the build folder, and tested twice: as they are, and with `compat/rayon-core` patched in.
//! Nothing of theirs enters the checkout. A test that passes on the original and doesn't pass on
//! ours is named, and is what makes the verb fail; a test that fails on both is theirs to mend.
//!
//! # What can't be run
//! rayon-core's unit tests live inside the crate that is replaced. [`shim`] makes a package of
//! them that uses the public API only; the few that reach for private fields are left out and
//! listed with the reason.

mod programs;
mod shim;
mod sources;
mod table;
mod verdicts;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;

use self::verdicts::Verdicts;
use crate::workspace;

/// What the suite takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the test programs whose name contains this, as the table shows it
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Workers of the global pool (RAYON_NUM_THREADS); default: one a processor
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Run on ours only and compare with the original's last run
    #[arg(long)]
    ours: bool,
    /// The crate that takes rayon-core's place
    #[arg(long, value_name = "PATH")]
    core: Option<PathBuf>,
}

/// Whose scheduler a run stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// rayon-core as published.
    Original,
    /// The crate in `compat/rayon-core`.
    Ours,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Ours => "ours",
        }
    }
}

/// Where everything is kept between runs: unpacked packages, builds, outputs.
fn folder() -> PathBuf {
    workspace::target().join("rayon-suite")
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let folder = folder();
    let packages = sources::fetch(&folder)?;
    eprintln!("{} and {}", packages.rayon, packages.core);
    let core = match &args.core {
        Some(path) => std::path::absolute(path)?,
        None => default_core(),
    };
    let options = programs::Options {
        only: args.only.as_deref(),
        threads: args.threads,
    };
    let mut left_out = Vec::new();
    let mut run_on = |side: Side| -> anyhow::Result<Verdicts> {
        let dir = folder.join(side.name());
        let patch = (side == Side::Ours).then_some(core.as_path());
        left_out = sources::unpack(&dir, &packages, patch)?;
        let verdicts = programs::run(side, &dir, &folder, &options)?;
        // A filtered run must not take the place of the whole record.
        if args.only.is_none() {
            verdicts.write(&record(&folder, side))?;
        }
        Ok(verdicts)
    };
    let original = if args.ours {
        Verdicts::read(&record(&folder, Side::Original))?.filter(args.only.as_deref())
    } else {
        run_on(Side::Original)?
    };
    let ours = run_on(Side::Ours)?;
    if original.passed() == 0 {
        bail!("no test has passed on the original: is --only the name of a line in the table?");
    }
    println!("{}", table::table(&original, &ours));
    for test in &left_out {
        println!(
            "left out: {} (reaches for what is private to the original crate)",
            test.name
        );
    }
    let lost = table::lost(&original, &ours);
    for (name, verdict) in &lost {
        println!("passes on the original, {verdict} on ours: {name}");
    }
    println!(
        "{} of {} tests that pass on the original pass on ours; outputs in {}",
        original.passed() - lost.len(),
        original.passed(),
        folder.display()
    );
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    Ok(if lost.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The file that keeps a side's last whole run.
fn record(folder: &Path, side: Side) -> PathBuf {
    folder.join(side.name()).join("verdicts.tsv")
}

/// The crate that users patch in.
fn default_core() -> PathBuf {
    workspace::root().join("compat").join("rayon-core")
}
