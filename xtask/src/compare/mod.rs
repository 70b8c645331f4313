//! `cargo xtask compare`: the same programs under every model, on both grounds.
//!
//! # Protocol
//! 1. The arguments and the input are checked; nothing has been built yet.
//! 2. Each ground is prepared (built) and runs every program under every model, several
//!    times, subjects interleaved. A subject that fails or hangs gives up its place and
//!    keeps its row, with the reason.
//! 3. The rows become the table, and the JSON file where one is asked for.
//!
//! The status is 0 when every answer that came was right, 1 when one was wrong.

mod args;
mod host;
mod input;
mod tally;

use std::process::ExitCode;

use anyhow::Context as _;
use record::{Ground, Report, table};

pub(crate) use args::Args;
use input::Input;

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let input = Input::prepare(args.input.as_deref())?;
    if let Some(path) = &args.json {
        // Minutes of measuring must not end in a path that can't be written.
        let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        anyhow::ensure!(
            folder.is_none_or(std::path::Path::is_dir),
            "could not write {}: its folder does not exist",
            path.display()
        );
    }

    let mut report = Report::here();
    let mut wrong = Vec::new();
    for ground in args.grounds() {
        let mut tally = match ground {
            Ground::Host => host::run(args, &input)?,
            Ground::Kernel => continue,
        };
        wrong.append(&mut tally.wrong);
        report.rows.append(&mut tally.into_rows());
    }

    println!("{}", table::render(&report));
    println!("{}", input.describe());
    let missing = report
        .rows
        .iter()
        .filter(|row| row.median.is_none())
        .count();
    if missing > 0 {
        println!(
            "{missing} of {} figures are missing; the notes say why",
            report.rows.len()
        );
    }
    if let Some(path) = &args.json {
        report
            .write(path)
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("every figure: {}", path.display());
    }
    for answer in &wrong {
        eprintln!("error: wrong answer: {answer}");
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
