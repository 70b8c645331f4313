//! `cargo xtask compare`: the same programs under every model, on both grounds.
//!
//! # Protocol
//! 1. The arguments and the input are checked; nothing has been built yet.
//! 2. Each ground is built, and then runs every program under every model, several times,
//!    subjects interleaved. A subject that fails or hangs gives up its place and
//!    keeps its row, with the reason.
//! 3. Where traces or a page are asked for, the models run once more: on the host those with a flight
//!    recorder, in the kernel all, which records them itself.
//! 4. The rows become the table, and the JSON file and the page where they are asked for.
//!
//! An interrupt ends the measuring; what was measured goes through step 4 as usual, marked as partial.
//!
//! The status is 0 when every answer that came was right, 1 when one was wrong, 130 when interrupted.

mod args;
mod charts;
mod experiments;
mod guest;
mod host;
mod input;
mod kernel;
mod page;
mod policies;
mod tally;
mod trace;

use std::process::ExitCode;

use anyhow::Context as _;
use record::{Experiment, Ground, Report, Row, metric, table};

pub(crate) use args::Args;
pub(crate) use host::{build_lab, build_program};
use input::Input;
use tally::Tally;

use crate::process;

/// The note of a row that an interrupt came before.
const INTERRUPTED: &str = "not run: interrupted before its turn";

/// Runs the verb.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let input = Input::prepare(args.input.as_deref())?;
    // Minutes of measuring must not end in a path that can't be written.
    for path in args.json.iter().chain(&args.csv).chain(&args.report) {
        let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        anyhow::ensure!(
            folder.is_none_or(std::path::Path::is_dir),
            "could not write {}: its folder does not exist",
            path.display()
        );
    }

    if let Some(folder) = &args.trace {
        trace::prepare(folder)?;
    }

    // Everything is built before anything is measured.
    let grounds = args.grounds();
    let lab = grounds
        .contains(&Ground::Host)
        .then(|| args.lab.clone().map_or_else(host::build_lab, Ok))
        .transpose()?;
    let guest = grounds
        .contains(&Ground::Kernel)
        .then(|| kernel::Guest::prepare(&input))
        .transpose()?;

    process::keep_results_when_interrupted();
    let mut report = Report::here();
    let mut wrong = Vec::new();
    let mut gather = |mut tally: Tally| {
        wrong.append(&mut tally.wrong);
        report.rows.append(&mut tally.into_rows());
    };
    let labs = args.labs();
    let models = labs.contains(&Experiment::Models);
    if let Some(lab) = lab.as_deref().filter(|_| models) {
        gather(host::run(lab, args, &input)?);
    }
    if let Some(guest) = guest.as_ref().filter(|_| models) {
        gather(guest.run(args, &input)?);
    }
    let mut charts_of_policies = Vec::new();
    for lab_name in labs.iter().filter(|lab| **lab != Experiment::Models) {
        if let Some(lab) = lab.as_ref().filter(|_| !process::interrupted()) {
            let part = experiments::on_host(lab, *lab_name, args)?;
            report.interrupted |= part.interrupted;
            wrong.extend(part.rows.iter().filter_map(wrong_answer));
            report.rows.extend(part.rows);
        }
        if let Some(guest) = guest.as_ref().filter(|_| !process::interrupted()) {
            let shown = guest::run(guest, *lab_name, args)?;
            report.rows.extend(shown.rows);
            charts_of_policies.extend(shown.charts);
        }
        let of_policies = guest
            .as_ref()
            .filter(|_| *lab_name == Experiment::Schedulers);
        if let Some(guest) = of_policies.filter(|_| !process::interrupted()) {
            let mut tally = policies::run(guest, args)?;
            wrong.append(&mut tally.wrong);
            report.rows.extend(policies::noted(tally.into_rows()));
        }
    }

    let traces = match models || !charts_of_policies.is_empty() {
        true => {
            let recorded = (lab.as_deref(), guest.as_ref());
            record_lanes(recorded, models, &charts_of_policies, args, &input)?
        }
        false => None,
    };

    report.interrupted |= process::interrupted();
    println!("{}", table::render(&report));
    let mut notes = Vec::new();
    if report.interrupted {
        println!("partial: somebody ended this run before it was complete");
    }
    let reads_input = |workload: &workloads::Workload| workload.reads_input();
    if models && args.workloads().iter().any(reads_input) {
        notes.push(input.describe());
    }
    if report
        .rows
        .iter()
        .any(|row| row.ground == Ground::Kernel.name() && row.median.is_some())
    {
        notes.push(
            "the kernel's times are an emulator's: compare them with each other only; its \
             instructions are exact and include the time in which all processors were idle; a \
             lab's are counted on one processor"
                .to_owned(),
        );
    }
    let missing = report
        .rows
        .iter()
        .filter(|row| row.median.is_none())
        .count();
    if missing > 0 {
        notes.push(format!(
            "{missing} of {} figures are missing; the notes say why",
            report.rows.len()
        ));
    }
    notes.extend(doubts(&report.rows));
    for note in &notes {
        println!("{note}");
    }
    if let (Some(folder), Some(traces)) = (&args.trace, &traces) {
        for missing in &traces.missing {
            println!("{missing}");
        }
        println!(
            "the traces, for https://ui.perfetto.dev: {}",
            folder.display()
        );
    }
    if let Some(path) = &args.json {
        report
            .write(path)
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("every figure: {}", path.display());
    }
    if let Some(path) = &args.csv {
        report
            .write_csv(path)
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("every figure, comma-separated: {}", path.display());
    }
    let interrupted = report.interrupted;
    if let Some(path) = &args.report {
        let traces = traces.unwrap_or_default();
        let html = page::page(report, traces, &notes).to_html();
        std::fs::write(path, html)
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("the page: {}", path.display());
    }
    for answer in &wrong {
        eprintln!("error: wrong answer: {answer}");
    }
    Ok(if interrupted {
        ExitCode::from(process::INTERRUPTED_STATUS)
    } else if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How many figures another run may not repeat; those that only explain others don't count.
fn doubts(rows: &[Row]) -> Option<String> {
    let own = |row: &&Row| row.median.is_some() && !metric::explains(&row.metric);
    let all = rows.iter().filter(own).count();
    let noisy = rows.iter().filter(own).filter(|row| row.noise.is_some());
    let noisy = noisy.count();
    (noisy > 0).then(|| {
        format!(
            "{noisy} of {all} medians are noisy, which is marked: another run may not repeat them"
        )
    })
}

/// What the row of a subject says that answered otherwise than the others.
fn wrong_answer(row: &Row) -> Option<String> {
    let note = row.note.as_deref()?;
    note.starts_with("wrong answer")
        .then(|| format!("{} of {}: {note}", row.subject, row.bench))
}

/// Runs the models once more, where somebody wants to see their lanes, and keeps the policies' charts:
/// in the folder that was named, or in one of the build output's.
fn record_lanes(
    (lab, guest): (Option<&std::path::Path>, Option<&kernel::Guest>),
    models: bool,
    policies: &[(String, String)],
    args: &Args,
    input: &Input,
) -> anyhow::Result<Option<trace::Traces>> {
    if args.trace.is_none() && args.report.is_none() {
        return Ok(None);
    }
    let folder = match &args.trace {
        Some(folder) => folder.clone(),
        None => crate::workspace::target().join("compare/traces"),
    };
    trace::prepare(&folder)?;
    let mut traces = trace::Traces::default();
    if models {
        if let Some(lab) = lab {
            traces.append(trace::run(lab, args, input, &folder));
        }
        if let Some(guest) = guest {
            traces.append(charts::of_models(guest, args, input, &folder));
        }
    }
    traces.append(charts::of_policies(policies, &folder));
    Ok(Some(traces))
}

#[cfg(test)]
mod tests {
    use record::metric::{CPU_TIME, TIME};

    use super::*;

    #[test]
    fn doubts_are_about_what_is_no_explanation() {
        let row =
            |metric, samples: &[f64]| Row::measured("b", metric, "s", "host", samples.to_vec());
        let rows = [
            row(&TIME, &[1.0, 1.0]),
            row(&TIME, &[1.0, 2.0]),
            row(&CPU_TIME, &[1.0, 2.0]),
            Row::missing("b", &TIME, "s", "host", "not run"),
        ];
        let told = doubts(&rows).expect("one of them");
        assert!(told.starts_with("1 of 2 medians"), "{told}");
        assert_eq!(doubts(&rows[..1]), None);
    }

    #[test]
    fn a_wrong_answer_of_a_lab_is_found() {
        let row = |why: &str| Row::missing("parallel/sum", &TIME, "rayon", "host", why);
        let wrong = wrong_answer(&row("wrong answer: 0x8, where tokio answers 0x7"));
        assert!(wrong.is_some_and(|text| text.starts_with("rayon of parallel/sum: wrong")));
        assert_eq!(wrong_answer(&row("killed after 30 s")), None);
    }
}
