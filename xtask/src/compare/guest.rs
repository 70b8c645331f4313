//! The labs' halves in our kernel: every round is a fresh boot of one experiment.
//!
//! # Protocol
//! [`crate::kernel::labs`] says how a boot tells what it has read. By the clock, the machine has as many
//! processors as were asked for; after that, two boots count instructions, on one processor, where
//! one instruction is one nanosecond of the guest's clock: so the time that a case tells there is its
//! instructions, and the two must agree.
//!
//! Of [`Experiment::Schedulers`] only the counting boots are taken, and all their figures: the clock
//! of a machine whose instructions all last a nanosecond, and whose processor nobody else uses, is
//! the one to compare policies by. They send the charts of their runs, which are all alike.
//!
//! # States of a case
//! As in [`Tally`](super::tally): a case that fails is out, with the reason, and its figures are
//! dropped.

use std::time::Duration;

use record::{Experiment, Ground, Reading, Row, metric, reading};

use super::Args;
use super::kernel::Guest;
use crate::kernel::labs::{self, Key, Told};
use crate::process;
use crate::progress::Progress;
use crate::qemu::{End, Engine, Machine};

/// How often an experiment boots by the clock, and how long a boot may take.
struct Effort {
    rounds: usize,
    limit: Duration,
}

impl Effort {
    const QUICK: Self = Self {
        rounds: 2,
        limit: Duration::from_secs(60),
    };
    const FULL: Self = Self {
        rounds: 5,
        limit: Duration::from_mins(5),
    };
}

/// Boots that count instructions.
const COUNTED: usize = 2;

/// Says that figures are in the time of a machine that counts.
const IN_INSTRUCTIONS: &str = "by a clock of one nanosecond an instruction";

/// Says that they are not.
const NOT_EXACT: &str = "NOT EXACT: two counts differ";

/// Whether an experiment has a half in the kernel.
fn runs_here(experiment: Experiment) -> bool {
    !matches!(experiment, Experiment::Models | Experiment::Server)
}

/// Whether its cases tell a time that is also a number of instructions.
fn is_counted(experiment: Experiment) -> bool {
    experiment != Experiment::Mixed
}

/// What has come of one case.
struct Entry {
    key: Key,
    by_clock: Vec<Reading>,
    counted: Vec<Reading>,
    out: Option<String>,
}

/// All cases of an experiment, in the order in which they were first told.
#[derive(Default)]
struct Cases(Vec<Entry>);

impl Cases {
    fn entry(&mut self, key: &Key) -> &mut Entry {
        let at = self.0.iter().position(|entry| entry.key == *key);
        let at = at.unwrap_or_else(|| {
            self.0.push(Entry {
                key: key.clone(),
                by_clock: Vec::new(),
                counted: Vec::new(),
                out: None,
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Adds what a boot has told; the reason of each case that is out since then comes back.
    fn add(&mut self, told: Told, engine: Engine) -> Vec<String> {
        for key in &told.cases {
            self.entry(key);
        }
        for (key, reading) in told.readings {
            let entry = self.entry(&key);
            match engine {
                Engine::Counted => entry.counted.push(reading),
                _ => entry.by_clock.push(reading),
            }
        }
        let mut said = Vec::new();
        for (key, why) in told.missing {
            let entry = self.entry(&key);
            if entry.out.is_none() {
                said.push(format!("{} {}: {why}", key.0, key.1));
                entry.out = Some(why);
            }
        }
        said
    }

    fn into_rows(self, experiment: Experiment) -> Vec<Row> {
        let rows = self.0.into_iter();
        rows.flat_map(|entry| entry.into_rows(experiment)).collect()
    }
}

impl Entry {
    fn into_rows(self, experiment: Experiment) -> Vec<Row> {
        let (bench, subject) = &self.key;
        let ground = Ground::Kernel.name();
        if let Some(why) = self.out {
            return vec![Row::missing(bench, &metric::TIME, subject, ground, why)];
        }
        if experiment == Experiment::Schedulers {
            let rows = reading::rows(bench, subject, ground, &self.counted);
            let note = |row: Row| inexact(row.with_note(IN_INSTRUCTIONS), &self.counted);
            return rows.into_iter().map(note).collect();
        }
        let mut rows = reading::rows(bench, subject, ground, &self.by_clock);
        let figures = self.counted.iter().flat_map(|reading| &reading.figures);
        let times = figures.filter(|(name, _)| name == metric::TIME.name);
        let times: Vec<f64> = times.map(|(_, number)| *number).collect();
        if !times.is_empty() {
            let row = Row::measured(bench, &metric::INSTRUCTIONS, subject, ground, times);
            rows.push(inexact(row, &self.counted));
        }
        if rows.is_empty() {
            let why = super::INTERRUPTED;
            rows.push(Row::missing(bench, &metric::TIME, subject, ground, why));
        }
        rows
    }
}

/// Says what a time is that was counted, and where its counts differ.
pub(super) fn counted(row: Row) -> Row {
    let agree = row.samples.windows(2).all(|pair| pair[0] == pair[1]);
    let row = row.with_note(IN_INSTRUCTIONS);
    match agree {
        true => row,
        false => row.with_note(NOT_EXACT),
    }
}

/// Says so where two counts differ: then something in the guest depends on the host's time.
fn inexact(row: Row, counted: &[Reading]) -> Row {
    let agree = |pair: &[Reading]| pair[0].figures == pair[1].figures;
    match counted.windows(2).all(agree) {
        true => row,
        false => row.with_note(NOT_EXACT),
    }
}

/// What an experiment has shown.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) rows: Vec<Row>,
    /// The charts that were sent, each with its name.
    pub(super) charts: Vec<(String, String)>,
}

/// Runs an experiment's half in the kernel, if it has one.
///
/// # Errors
/// Where QEMU itself could not run the machine, or the charts could not be read.
pub(super) fn run(guest: &Guest, experiment: Experiment, args: &Args) -> anyhow::Result<Shown> {
    let mut shown = Shown::default();
    if !runs_here(experiment) {
        return Ok(shown);
    }
    let machine = match guest.machine() {
        Ok(machine) => machine,
        Err(why) => {
            let (bench, ground) = (experiment.name(), Ground::Kernel.name());
            let row = Row::missing(bench, &metric::TIME, "every case", ground, why);
            shown.rows.push(row);
            return Ok(shown);
        }
    };
    let effort = match args.quick {
        true => Effort::QUICK,
        false => Effort::FULL,
    };
    let rounds = match experiment {
        Experiment::Schedulers => 0,
        _ => effort.rounds,
    };
    let boots = rounds + if is_counted(experiment) { COUNTED } else { 0 };
    let folder = tempfile::tempdir()?;
    let line = folder.path().join("charts.json");
    let progress = Progress::new(boots);
    let mut cases = Cases::default();
    for boot in 1..=boots {
        if process::interrupted() {
            break;
        }
        let what = format!("kernel {experiment}, boot {boot} of {boots}");
        progress.begin(&what, boot == 1);
        let (engine, cpus) = match boot <= rounds {
            true => (Engine::Translated, args.cpus()),
            false => (Engine::Counted, 1),
        };
        let words = labs::Words {
            experiment: experiment.name(),
            quick: args.quick,
            cpus,
            only: args.only(),
        };
        let mut machine = labs::machine(machine.clone(), &words)
            .engine(engine)
            .timeout(effort.limit);
        // All of them: what is sent takes time, and the counts must agree.
        let sends_charts = experiment == Experiment::Schedulers;
        if sends_charts {
            machine = machine.second_serial(&line);
        }
        let told = boot_once(&machine, experiment)?;
        // A machine that was ended by an interrupt has not failed.
        let Some(told) = told else { break };
        // None of the benches that are asked for are here.
        if told.cases.is_empty() && told.missing.is_empty() {
            break;
        }
        if sends_charts {
            shown.charts = labs::charts(&told.charts, &line)?;
        }
        for reason in cases.add(told, engine) {
            progress.say(&reason);
        }
        progress.done();
    }
    shown.rows = cases.into_rows(experiment);
    Ok(shown)
}

/// Boots; nothing where somebody interrupts.
fn boot_once(machine: &Machine, experiment: Experiment) -> anyhow::Result<Option<Told>> {
    let boot = machine.run();
    if process::interrupted() {
        return Ok(None);
    }
    let boot = boot?;
    let mut told = Told::of(&boot);
    if told.cases.is_empty() && boot.end != End::Success {
        // It ended before it could say what it would do.
        let words = labs::last_words(&boot.console).unwrap_or("it said nothing");
        let key = (experiment.name().to_owned(), "every case".to_owned());
        told.missing.push((key, format!("{}: {words}", boot.end)));
    }
    Ok(Some(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: &str) -> Key {
        ("create/time/1".into(), subject.into())
    }

    fn told(subject: &str, figures: &[(&str, f64)]) -> Told {
        let figures = figures.iter();
        let figures = figures.map(|(name, number)| ((*name).to_owned(), *number));
        let reading = Reading {
            figures: figures.collect(),
            ..Reading::default()
        };
        Told {
            cases: vec![key(subject)],
            readings: vec![(key(subject), reading)],
            ..Told::default()
        }
    }

    /// The metric, the median and the note of each row.
    fn shown(cases: Cases, experiment: Experiment) -> Vec<(String, Option<f64>, Option<String>)> {
        let rows = cases.into_rows(experiment).into_iter();
        rows.map(|row| (row.metric, row.median, row.note)).collect()
    }

    #[test]
    fn instructions_stand_beside_the_time() {
        let mut cases = Cases::default();
        for time in [30.0, 10.0, 20.0] {
            cases.add(told("thread", &[("time", time)]), Engine::Translated);
        }
        for _ in 0..2 {
            cases.add(told("thread", &[("time", 7.0)]), Engine::Counted);
        }
        let expected = [
            ("time".to_owned(), Some(20.0), None),
            ("instructions".to_owned(), Some(7.0), None),
        ];
        assert_eq!(shown(cases, Experiment::Create), expected);
    }

    #[test]
    fn counts_that_differ_are_said_to() {
        let mut cases = Cases::default();
        for time in [7.0, 8.0] {
            cases.add(told("thread", &[("time", time)]), Engine::Counted);
        }
        let note = "NOT EXACT: two counts differ".to_owned();
        let rows = shown(cases, Experiment::Create);
        assert_eq!(rows, [("instructions".to_owned(), Some(7.5), Some(note))]);
    }

    #[test]
    fn policies_are_compared_by_the_counted_clock() {
        let mut cases = Cases::default();
        let figures = [("waiting", 4.0), ("turnaround", 9.0)];
        for _ in 0..2 {
            cases.add(told("fcfs", &figures), Engine::Counted);
        }
        let note = Some(IN_INSTRUCTIONS.to_owned());
        let expected = [
            ("waiting".to_owned(), Some(4.0), note.clone()),
            ("turnaround".to_owned(), Some(9.0), note),
        ];
        assert_eq!(shown(cases, Experiment::Schedulers), expected);
    }

    #[test]
    fn a_case_that_fails_keeps_its_row_and_the_first_reason() {
        let failed = |why: &str| Told {
            cases: vec![key("thread")],
            missing: vec![(key("thread"), why.into())],
            ..Told::default()
        };
        let mut cases = Cases::default();
        cases.add(told("thread", &[("time", 3.0)]), Engine::Translated);
        let said = cases.add(failed("no thread"), Engine::Translated);
        assert_eq!(said, ["create/time/1 thread: no thread"]);
        assert!(cases.add(failed("later"), Engine::Counted).is_empty());
        let expected = [("time".to_owned(), None, Some("no thread".to_owned()))];
        assert_eq!(shown(cases, Experiment::Create), expected);
    }

    #[test]
    fn a_case_without_its_turn_is_told() {
        let mut cases = Cases::default();
        let only_told = Told {
            cases: vec![key("thread")],
            ..Told::default()
        };
        cases.add(only_told, Engine::Translated);
        let rows = shown(cases, Experiment::Create);
        assert_eq!(rows[0].2.as_deref(), Some(super::super::INTERRUPTED));
    }
}
