//! The program `labs`: the experiments' halves that run in our kernel, one boot an experiment.
//!
//! # Protocol
//! The program tells its cases first, and then what came of each, a line each; the rest of the console
//! is passed over:
//!
//! ```text
//! case create/time/1 thread
//! reading create/time/1 thread time=1219 voluntary_switches=2
//! missing create/time/1 thread no thread: EAGAIN
//! chart fcfs 192
//! ```
//!
//! A `chart` has been sent over the second serial line, where one comes after the other. Whatever is
//! told and not answered, because the machine ended in between, is missing for the reason that it
//! ended.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use record::{Reading, metric};

use super::bench::Bench;
use crate::qemu::{Boot, End, Machine};

/// Memory of the guest: hundreds of processes and stacks.
const MEMORY_MIB: u32 = 512;

/// Who is measured on what: the bench and the subject.
pub(crate) type Key = (String, String);

/// What a boot has told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// Every case, in its order.
    pub(crate) cases: Vec<Key>,
    /// What was read.
    pub(crate) readings: Vec<(Key, Reading)>,
    /// Why the others have no figures.
    pub(crate) missing: Vec<(Key, String)>,
    /// The names of the charts, in the order in which they were sent.
    pub(crate) charts: Vec<String>,
}

impl Told {
    /// Reads what a boot has told.
    pub(crate) fn of(boot: &Boot) -> Self {
        let mut told = Self::default();
        for line in boot.console.lines() {
            told.take(line.trim());
        }
        if boot.end != End::Success {
            let why = match last_words(&boot.console) {
                Some(words) => format!("{}: {words}", boot.end),
                None => boot.end.to_string(),
            };
            for key in told.cases.clone() {
                if !told.is_answered(&key) {
                    told.missing.push((key, why.clone()));
                }
            }
        }
        told
    }

    fn take(&mut self, line: &str) {
        if let Some((bench, subject, reading)) = Reading::from_guest_line(line) {
            self.readings.push(((bench, subject), reading));
        } else if let Some((key, "")) = line.strip_prefix("case ").and_then(key) {
            self.cases.push(key);
        } else if let Some((key, why)) = line.strip_prefix("missing ").and_then(key) {
            self.missing.push((key, why.to_owned()));
        } else if let Some((name, _)) = line.strip_prefix("chart ").and_then(|l| l.split_once(' '))
        {
            self.charts.push(name.to_owned());
        }
    }

    fn is_answered(&self, key: &Key) -> bool {
        let read = self.readings.iter().map(|(other, _)| other);
        let missing = self.missing.iter().map(|(other, _)| other);
        read.chain(missing).any(|other| other == key)
    }
}

/// A bench, a subject, and what follows them.
fn key(line: &str) -> Option<(Key, &str)> {
    let (bench, rest) = line.split_once(' ')?;
    let (subject, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(((bench.to_owned(), subject.to_owned()), rest))
}

/// What was said last that is not of this protocol, nor the kernel's own line about the end.
pub(crate) fn last_words(console: &str) -> Option<&str> {
    const OWN: [&str; 5] = ["case ", "reading ", "missing ", "chart ", "kernel: init"];
    let mut lines = console.lines().rev().map(str::trim);
    lines.find(|line| !line.is_empty() && !OWN.iter().any(|own| line.starts_with(own)))
}

/// What the program is told.
pub(crate) struct Words {
    pub(crate) experiment: &'static str,
    pub(crate) quick: bool,
    pub(crate) cpus: u32,
    /// The beginnings of the benches that are asked for, with commas; all without it.
    pub(crate) only: Option<String>,
}

/// A machine that runs an experiment.
pub(crate) fn machine(machine: Machine, words: &Words) -> Machine {
    let Words {
        experiment, cpus, ..
    } = words;
    let size = if words.quick { "quick" } else { "full" };
    let only = words.only.as_deref();
    let only = only
        .map(|benches| format!(" {benches}"))
        .unwrap_or_default();
    machine
        .cpus(*cpus)
        .memory_mib(MEMORY_MIB)
        .append(format!("init=/labs {experiment} {size} {cpus}{only}"))
}

/// The charts that were sent, each with its name.
///
/// # Errors
/// Where the line has carried other than what was told.
pub(crate) fn charts(names: &[String], line: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(line).context("nothing came over the second serial line")?;
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let mut charts = Vec::new();
    for name in names {
        let start = values.byte_offset();
        match values.next() {
            Some(value) => value.with_context(|| format!("the chart of {name}"))?,
            None => bail!("the chart of {name} did not come"),
        };
        let chart = text[start..values.byte_offset()].trim();
        charts.push((name.clone(), chart.to_owned()));
    }
    Ok(charts)
}

/// What each experiment must tell at least: its benches, and for each its subjects. Where there is one
/// processor, what needs two is left out.
const EXPECTED: &[(&str, &[&str], &[&str])] = &[
    (
        "create",
        &[
            "create/time/1",
            "create/time/100",
            "create/memory/100",
            "create/calls/100",
        ],
        &[
            "process-exec",
            "process-fork",
            "thread",
            "kernel-bridge",
            "one-to-one",
            "mini-executor",
        ],
    ),
    (
        "switch",
        &["switch/same-cpu"],
        &[
            "process-pipe",
            "thread-pipe",
            "thread-park",
            "thread-yield",
            "mini-executor-wake",
            "mini-executor-yield",
        ],
    ),
    (
        "switch",
        &["switch/two-cpus"],
        &["process-pipe", "thread-pipe", "thread-park"],
    ),
    (
        "ipc",
        &["ipc/latency/64", "ipc/throughput/64"],
        &[
            "pipe-threads",
            "pipe-processes",
            "named-pipe-threads",
            "named-pipe-processes",
            "local-socket-threads",
            "local-socket-processes",
            "shared-memory-threads",
            "shared-memory-processes",
            "message-queue-threads",
            "message-queue-processes",
            "message-processes",
        ],
    ),
    (
        "parallel",
        &["parallel/fork-join", "parallel/sum"],
        &["one-to-one", "mini-executor"],
    ),
    (
        "mixed",
        &[
            "mixed/idle",
            "mixed/compute",
            "mixed/nested",
            "mixed/blocking",
        ],
        &["one-to-one", "mini-executor"],
    ),
    (
        "schedulers",
        &["schedulers/compute", "schedulers/io"],
        &["fcfs", "rr", "priority", "mlfq", "fair"],
    ),
];

/// The experiments that have a half in the kernel.
pub(super) fn experiments() -> Vec<&'static str> {
    let mut names: Vec<_> = EXPECTED.iter().map(|(name, ..)| *name).collect();
    names.dedup();
    names
}

/// Boots an experiment and checks that every case was read, with figures that can be.
pub(super) fn test(experiment: &'static str, bench: &Bench<'_>, cpus: u32) -> anyhow::Result<()> {
    let line = bench.dir().join(format!("{experiment}-{cpus}.json"));
    let words = Words {
        experiment,
        quick: true,
        cpus,
        only: None,
    };
    let boot = machine(bench.machine(cpus), &words)
        .timeout(LIMIT)
        .second_serial(&line)
        .run()?;
    let told = Told::of(&boot);
    check(&told, experiment, cpus)
        .with_context(|| format!("{}\n--- console\n{}---", boot.end, boot.console))?;
    ensure!(boot.end == End::Success, "{}\n{}", boot.end, boot.console);
    for (name, chart) in charts(&told.charts, &line)? {
        let trace = report::Trace::from_json(&chart)?;
        ensure!(trace.ends().is_some(), "the chart of {name} is empty");
    }
    Ok(())
}

/// How long one experiment may take on a busy host.
const LIMIT: Duration = Duration::from_mins(8);

fn check(told: &Told, experiment: &str, cpus: u32) -> anyhow::Result<()> {
    if let Some(((bench, subject), why)) = told.missing.first() {
        bail!("{bench} {subject}: {why}");
    }
    for key in &told.cases {
        ensure!(
            told.is_answered(key),
            "{} {} was not answered",
            key.0,
            key.1
        );
    }
    for ((bench, subject), reading) in &told.readings {
        ensure!(
            !reading.figures.is_empty(),
            "{bench} {subject} has no figure"
        );
        for (name, number) in &reading.figures {
            let is_good = metric::named(name).is_some() && number.is_finite() && *number >= 0.0;
            ensure!(is_good, "{bench} {subject}: {name}={number}");
        }
    }
    for (_, benches, subjects) in EXPECTED.iter().filter(|(name, ..)| *name == experiment) {
        for bench in benches
            .iter()
            .filter(|bench| cpus > 1 || !bench.contains("two-cpus"))
        {
            for subject in *subjects {
                let is_it = |(key, _): &(Key, Reading)| key.0 == *bench && key.1 == *subject;
                ensure!(
                    told.readings.iter().any(is_it),
                    "{bench} {subject} was not told"
                );
            }
        }
    }
    if experiment == "schedulers" {
        let names: Vec<&str> = told.charts.iter().map(String::as_str).collect();
        ensure!(
            names == kcore::sched::PolicyKind::NAMES,
            "charts of {names:?}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(console: &str, end: End) -> Boot {
        Boot {
            console: console.into(),
            end,
            took: Duration::ZERO,
        }
    }

    fn key(bench: &str, subject: &str) -> Key {
        (bench.into(), subject.into())
    }

    #[test]
    fn what_is_told_is_read_among_other_lines() {
        let console = "kernel: 2 cpus\ncase a/1 x\ncase a/1 y\nreading a/1 x time=3\nnoise\n\
                       missing a/1 y no thread: EAGAIN\nchart rr 12\nkernel: init exited\n";
        let told = Told::of(&boot(console, End::Success));
        assert_eq!(told.cases, [key("a/1", "x"), key("a/1", "y")]);
        assert_eq!(told.readings.len(), 1);
        assert_eq!(told.readings[0].1.figures, [("time".to_owned(), 3.0)]);
        assert_eq!(
            told.missing,
            [(key("a/1", "y"), "no thread: EAGAIN".to_owned())]
        );
        assert_eq!(told.charts, ["rr"]);
    }

    #[test]
    fn what_a_machine_that_ended_has_left_open_is_missing() {
        let console = "case a/1 x\ncase a/1 y\nreading a/1 x time=3\npanic at m.rs:1\n";
        let told = Told::of(&boot(console, End::Panic));
        assert_eq!(told.readings.len(), 1);
        let why = "the kernel panicked: panic at m.rs:1".to_owned();
        assert_eq!(told.missing, [(key("a/1", "y"), why)]);
        let end = End::TimedOut(Duration::from_secs(9));
        let told = Told::of(&boot("case a/1 x\n", end));
        assert_eq!(told.missing[0].1, "killed after 9 s");
    }

    #[test]
    fn charts_are_told_apart() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "{\"traceEvents\":[]}\n{\"a\":\n1}\n").expect("written");
        let names = ["fcfs".to_owned(), "rr".to_owned()];
        let found = charts(&names, file.path()).expect("two charts");
        assert_eq!(found[0], ("fcfs".into(), "{\"traceEvents\":[]}".into()));
        assert_eq!(found[1], ("rr".into(), "{\"a\":\n1}".into()));
        let more = [&names[..], &["fair".to_owned()]].concat();
        let error = charts(&more, file.path()).expect_err("a third");
        assert!(error.to_string().contains("fair"), "{error}");
        std::fs::write(file.path(), "{\"a\":").expect("written");
        assert!(charts(&names, file.path()).is_err());
    }

    #[test]
    fn a_case_that_is_missing_or_odd_fails_the_check() {
        let figure = |name: &str, number| Reading {
            figures: vec![(name.into(), number)],
            ..Reading::default()
        };
        let subjects = ["one-to-one", "mini-executor"];
        let benches = [
            "mixed/idle",
            "mixed/compute",
            "mixed/nested",
            "mixed/blocking",
        ];
        let keys = || {
            benches
                .iter()
                .flat_map(|bench| subjects.map(|subject| key(bench, subject)))
        };
        let told = |reading: Reading| Told {
            cases: keys().collect(),
            readings: keys().map(|key| (key, reading.clone())).collect(),
            ..Told::default()
        };
        let good = told(figure("latency_p50", 3.0));
        check(&good, "mixed", 2).expect("all is there");
        let mut short = good.clone();
        short.readings.pop();
        assert!(check(&short, "mixed", 2).is_err(), "told and not answered");
        short.cases.pop();
        assert!(check(&short, "mixed", 2).is_err(), "not even told");
        assert!(check(&told(figure("speed", 3.0)), "mixed", 2).is_err());
        assert!(check(&told(figure("time", f64::NAN)), "mixed", 2).is_err());
        assert!(check(&told(Reading::default()), "mixed", 2).is_err());
        let mut failed = good;
        failed
            .missing
            .push((key("mixed/idle", "one-to-one"), "why".into()));
        assert!(check(&failed, "mixed", 2).is_err());
    }
}
