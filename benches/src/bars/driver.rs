//! Goes round the subjects, gathers what their processes print, and judges the bars.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use record::noise::DISTURBED;
use record::{Metric, Report, Row, metric, stats};
use wait_timeout::ChildExt as _;

use super::{Against, Bar, Bench, Figure, Judged, LIMIT, Sense, Subject, Suite};

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Benches by name; empty means all.
    pub only: Vec<String>,
    /// A tenth of the jobs and few rounds: a look, not a measurement.
    pub quick: bool,
    /// Workers of each pool.
    pub cpus: usize,
    /// Rounds; 0 takes the suite's number, or 3 when quick.
    pub rounds: usize,
    /// Subjects that another program measures, with that program, or why there is none.
    pub elsewhere: Vec<(&'static str, Result<PathBuf, String>)>,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every figure and every bar.
    pub report: Report,
    /// The bars' rows by themselves; their notes say which were met.
    pub bars: Vec<Row>,
    /// Whether of each claim one bar at least was met.
    pub met: bool,
}

/// The figures of one bench: one list a subject, one figure a round, `Err` with the reason
/// once a subject has failed.
struct Figures {
    bench: &'static Bench,
    by_subject: Vec<Result<Vec<Figure>, String>>,
}

/// Measures the benches of a suite.
///
/// # Errors
/// Where this program can't be started again.
///
/// # Blocking
/// Until every round is over; each sample ends at a limit of its own.
pub fn run(suite: &Suite, options: &Options) -> anyhow::Result<Outcome> {
    let this = std::env::current_exe().context("could not find this program")?;
    let elsewhere = |subject: &Subject| {
        let named = |(name, _): &&(&str, _)| *name == subject.name;
        options.elsewhere.iter().find(named).map(|(_, it)| it)
    };
    let start = |subject| match elsewhere(subject) {
        Some(Err(reason)) => Err(reason.clone()),
        _ => Ok(Vec::new()),
    };
    let mut all: Vec<Figures> = suite
        .benches
        .iter()
        .filter(|bench| {
            options.only.is_empty() || options.only.iter().any(|name| name == bench.name)
        })
        .map(|bench| Figures {
            bench,
            by_subject: bench.subjects.iter().map(start).collect(),
        })
        .collect();
    let names: Vec<&str> = all.iter().map(|figures| figures.bench.name).collect();
    let takers = takers(suite, &names);
    let rounds = match (options.rounds, options.quick) {
        (0, true) => 3,
        (0, false) => suite.rounds,
        (rounds, _) => rounds,
    };
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for (at, figures) in all.iter_mut().enumerate() {
            if takers[at] != at {
                continue;
            }
            for (subject, taken) in figures.bench.subjects.iter().zip(&mut figures.by_subject) {
                let Ok(list) = taken else { continue };
                let mut command = Command::new(match elsewhere(subject) {
                    Some(Ok(other)) => other,
                    _ => &this,
                });
                command
                    .args(["figure", suite.name, figures.bench.name, subject.name])
                    .args(["--cpus", &options.cpus.to_string()]);
                if options.quick {
                    command.arg("--quick");
                }
                match sample(&mut command) {
                    Ok(figure) => list.push(figure),
                    Err(reason) => {
                        eprintln!("{} of {}: {reason}", subject.name, figures.bench.name);
                        *taken = Err(reason);
                    }
                }
            }
        }
    }

    for (at, taker) in takers.into_iter().enumerate() {
        all[at].by_subject = all[taker].by_subject.clone();
    }
    let mut outcome = Outcome {
        report: Report::here(),
        bars: Vec::new(),
        met: true,
    };
    for figures in &all {
        outcome.report.rows.extend(figures.rows(suite));
        for claim in figures.bench.bars {
            let (rows, met) = figures.claim(suite, claim);
            outcome.met &= met;
            outcome.report.rows.extend(rows.iter().cloned());
            outcome.bars.extend(rows);
        }
    }
    Ok(outcome)
}

/// Of each bench, the place of the one that takes its samples: the first of those that share
/// them, which may be itself.
fn takers(suite: &Suite, names: &[&str]) -> Vec<usize> {
    let taker = |(at, name): (usize, &&str)| {
        let mut lists = suite.shared.iter();
        let list = lists.find(|list| list.contains(name));
        let first = list.and_then(|list| names.iter().position(|one| list.contains(one)));
        first.unwrap_or(at)
    };
    names.iter().enumerate().map(taker).collect()
}

impl Outcome {
    /// The report without the rows of those who can't do what is asked: a table of them would be
    /// mostly these.
    #[must_use]
    pub fn shown(&self) -> Report {
        let absent = |row: &Row| {
            let note = row.note.as_deref();
            row.median.is_none() && note.is_some_and(|note| note.starts_with(HAS_NO))
        };
        let mut shown = self.report.clone();
        shown.rows.retain(|row| !absent(row));
        shown
    }
}

/// The line that says what came of a bar.
#[must_use]
pub fn bar_line(row: &Row) -> String {
    let figure = match row.median {
        None => "no figure".to_owned(),
        Some(figure) if row.unit == metric::RATIO.unit => format!("{figure:.3}x"),
        Some(figure) if figure < 100.0 => format!("{figure:.2} {}", row.unit),
        Some(figure) => format!("{figure:.0} {}", row.unit),
    };
    let note = row.note.as_deref().unwrap_or_default();
    format!("bar {}: {}: {figure}: {note}", row.bench, row.subject)
}

/// How the note of a subject begins that can't do what is asked.
const HAS_NO: &str = "has no ";

/// Why a suite's subject is not among those of a bench.
fn absence(suite: &Suite, bench: &Bench, subject: &str) -> String {
    if suite.left_out.contains(&subject) {
        "this program was built without it".to_owned()
    } else {
        format!("{HAS_NO}{}", bench.without)
    }
}

impl Figures {
    /// The figures of a subject, or why there are none.
    fn of(&self, suite: &Suite, name: &str) -> Result<&[Figure], String> {
        let mut subjects = self.bench.subjects.iter();
        match subjects.position(|subject| subject.name == name) {
            Some(at) => self.by_subject[at].as_deref().map_err(Clone::clone),
            None => Err(absence(suite, self.bench, name)),
        }
    }

    fn rows(&self, suite: &Suite) -> Vec<Row> {
        let bench = self.bench;
        let mut names: Vec<&str> = bench.subjects.iter().map(|subject| subject.name).collect();
        let others = suite.subjects.iter().copied();
        let others: Vec<&str> = others.filter(|name| !names.contains(name)).collect();
        names.extend(others);
        let mut rows = Vec::new();
        for (metric, judged) in bench.metrics {
            for name in &names {
                rows.push(match self.of(suite, name) {
                    Ok(list) => {
                        let samples = list.iter().map(|figure| figure.judged(*judged)).collect();
                        let row = Row::measured(bench.name, metric, *name, "host", samples);
                        match disturbance(list) {
                            Some(note) if *judged != Judged::Cpu => row.with_note(note),
                            _ => row,
                        }
                    }
                    Err(reason) => Row::missing(bench.name, metric, *name, "host", reason),
                });
            }
        }
        rows
    }

    /// The rows of a claim's bars, and whether one of them was met.
    fn claim(&self, suite: &Suite, bars: &[Bar]) -> (Vec<Row>, bool) {
        let rows: Vec<Row> = bars.iter().map(|bar| self.row(suite, bar)).collect();
        let is_met = |(row, bar): (&Row, &Bar)| row.median.is_some_and(|median| bar.is_met(median));
        let met = rows.iter().zip(bars).any(is_met);
        let noted = |(at, (row, bar))| {
            let missed = !is_met((&row, bar));
            if missed && met {
                row.with_note("the other bar of the claim is enough")
            } else if at + 1 < bars.len() && missed {
                row.with_note("or the next bar")
            } else {
                row
            }
        };
        (
            rows.into_iter().zip(bars).enumerate().map(noted).collect(),
            met,
        )
    }

    /// What the bench's claims are about; a bench without such a metric reports the time.
    fn judged_metric(&self) -> &'static Metric {
        let metrics = self.bench.metrics.iter();
        let mut judged = metrics.filter(|(_, judged)| *judged == self.bench.judged);
        judged.next().map_or(&metric::TIME, |(metric, _)| metric)
    }

    /// The row of a bar: one quotient, or one figure, a round.
    fn row(&self, suite: &Suite, bar: &Bar) -> Row {
        let judged = self.bench.judged;
        let ours = self.of(suite, bar.ours);
        let (subject, metric, samples): (_, &Metric, Result<Vec<f64>, String>) = match bar.against {
            Against::Subject(theirs) => {
                let both = ours.and_then(|ours| Ok((ours, self.of(suite, theirs)?)));
                let quotients = both.map(|(ours, theirs)| {
                    let pairs = ours.iter().zip(theirs);
                    pairs
                        .map(|(ours, theirs)| ours.judged(judged) / theirs.judged(judged))
                        .collect()
                });
                (
                    format!("{} / {theirs}", bar.ours),
                    &metric::RATIO,
                    quotients,
                )
            }
            Against::Nothing => {
                let figures =
                    ours.map(|ours| ours.iter().map(|figure| figure.judged(judged)).collect());
                (
                    format!("{}, itself", bar.ours),
                    self.judged_metric(),
                    figures,
                )
            }
        };
        match samples {
            Ok(samples) => {
                let verdict = match stats::median(&samples) {
                    Some(median) if bar.is_met(median) => "met",
                    _ => "MISSED",
                };
                let side = match bar.sense {
                    Sense::AtMost => "at most",
                    Sense::AtLeast => "at least",
                };
                let figure = self.judged_metric();
                let of = match (figure.unit, judged) {
                    ("ns", Judged::Wall) => "wall time",
                    ("ns", Judged::Cpu) => "CPU time",
                    _ => figure.name,
                };
                let claim = match bar.against {
                    Against::Subject(_) => format!("{:.2}x of the {of}", bar.limit),
                    Against::Nothing => format!("{} {}", bar.limit, figure.unit),
                };
                let metric = match bar.sense {
                    Sense::AtMost => Metric::lower(metric.name, metric.unit),
                    Sense::AtLeast => Metric::higher(metric.name, metric.unit),
                };
                Row::measured(self.bench.name, &metric, subject, "host", samples)
                    .with_note(format!("{verdict}: {side} {claim}"))
            }
            Err(reason) => Row::missing(self.bench.name, metric, subject, "host", reason),
        }
    }
}

/// Says so where others kept the machine busy.
fn disturbance(figures: &[Figure]) -> Option<String> {
    let shares: Vec<f64> = figures.iter().filter_map(|figure| figure.foreign).collect();
    let share = stats::median(&shares).filter(|share| *share > DISTURBED)?;
    Some(format!(
        "disturbed: others used {:.0} % of the machine",
        share * 100.0
    ))
}

/// Runs one process; the error is the note of its row.
fn sample(command: &mut Command) -> Result<Figure, String> {
    sample_within(command, LIMIT)
}

fn sample_within(command: &mut Command, limit: Duration) -> Result<Figure, String> {
    let fault = |error: std::io::Error| format!("could not run: {error}");
    // What it prints is one short line, which fits into the pipe; errors go to ours.
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fault)?;
    let Some(status) = child.wait_timeout(limit).map_err(fault)? else {
        child.kill().map_err(fault)?;
        child.wait().map_err(fault)?;
        return Err(format!("killed after {} s", limit.as_secs()));
    };
    let mut text = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut text).map_err(fault)?;
    }
    match Figure::from_line(&text) {
        Some(figure) if status.success() => Ok(figure),
        _ => Err(format!("{status}, and it printed '{}'", text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::SUITE;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_figure_is_read() {
        assert_eq!(sample(&mut sh("echo 12.5 25 - 0.5")), Ok(figure(12.5, 0.5)));
    }

    #[test]
    fn failures_and_hangs_become_reasons() {
        assert!(sample(&mut sh("echo 12.5 25 - 0.5; exit 1")).is_err());
        assert!(sample(&mut sh("echo nothing")).is_err());
        let reason = sample_within(&mut sh("exec sleep 600"), Duration::from_millis(100));
        assert!(reason.expect_err("it hangs").starts_with("killed"));
    }

    /// Twice as much CPU time as wall time: two busy workers.
    fn figure(wall_ns: f64, foreign: f64) -> Figure {
        Figure {
            wall_ns,
            cpu_ns: 2.0 * wall_ns,
            tail_ns: None,
            foreign: Some(foreign),
        }
    }

    fn figures(ours: &[f64], theirs: Result<&[f64], String>) -> Figures {
        let bench = &SUITE.benches[0];
        let list = |wall: &[f64]| wall.iter().map(|wall| figure(*wall, 0.0)).collect();
        let mut by_subject: Vec<_> = bench.subjects.iter().map(|_| Ok(Vec::new())).collect();
        let at = |name: &str| {
            bench
                .subjects
                .iter()
                .position(|one| one.name == name)
                .expect("there")
        };
        by_subject[at("textbook")] = Ok(list(ours));
        by_subject[at("threadpool")] = theirs.map(list);
        Figures { bench, by_subject }
    }

    const BAR: Bar = Bar::ratio("textbook", "threadpool", 1.0);

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The second round was disturbed for both: its quotient is like the others'.
        let row = figures(&[9.0, 900.0, 8.0], Ok(&[10.0, 1000.0, 10.0])).row(&SUITE, &BAR);
        assert_eq!(row.median, Some(0.9));
        assert_eq!(
            row.note.as_deref(),
            Some("met: at most 1.00x of the wall time")
        );
        let row = figures(&[11.0], Ok(&[10.0])).row(&SUITE, &BAR);
        assert_eq!(
            row.note.as_deref(),
            Some("MISSED: at most 1.00x of the wall time")
        );
    }

    #[test]
    fn a_failed_rival_leaves_a_row_with_the_reason() {
        let row = figures(&[9.0], Err("killed after 60 s".into())).row(&SUITE, &BAR);
        assert_eq!(
            (row.median, row.note.as_deref()),
            (None, Some("killed after 60 s"))
        );
    }

    #[test]
    fn the_first_bench_of_a_list_takes_the_samples_for_all() {
        let suite = Suite {
            shared: &[&["a_rate", "a_tail"], &["b"]],
            ..SUITE
        };
        assert_eq!(
            takers(&suite, &["x", "a_rate", "b", "a_tail"]),
            [0, 1, 2, 1]
        );
        // One that isn't asked for takes none.
        assert_eq!(takers(&suite, &["b", "a_tail"]), [0, 1]);
    }

    #[test]
    fn one_bar_of_a_claim_is_enough() {
        let claim = |limits: &[f64]| {
            let bar = |limit: &f64| Bar::ratio("textbook", "threadpool", *limit);
            let bars: Vec<Bar> = limits.iter().map(bar).collect();
            let (rows, met) = figures(&[9.0], Ok(&[10.0])).claim(&SUITE, &bars);
            let notes: Vec<String> = rows.into_iter().filter_map(|row| row.note).collect();
            (notes.join(" | "), met)
        };
        let (notes, met) = claim(&[0.5, 1.0]);
        assert!(met && notes.contains("is enough | met"), "{notes}");
        let (notes, met) = claim(&[0.5, 0.6]);
        assert!(
            !met && notes.contains("or the next bar | MISSED"),
            "{notes}"
        );
    }

    #[test]
    fn a_limit_judges_the_figure_itself() {
        let row = |limit| {
            let bar = Bar::limit("textbook", limit);
            figures(&[9.0, 11.0, 10.0], Ok(&[1.0])).row(&SUITE, &bar)
        };
        assert_eq!(row(10.0).note.as_deref(), Some("met: at most 10 ns"));
        assert_eq!(row(9.0).note.as_deref(), Some("MISSED: at most 9 ns"));
    }

    #[test]
    fn an_absent_subject_of_the_suite_has_a_row_with_the_reason() {
        let bench = &crate::pools::SUITE.benches[0];
        let by_subject = bench.subjects.iter().map(|_| Ok(Vec::new())).collect();
        let rows = Figures { bench, by_subject }.rows(&crate::pools::SUITE);
        let row = |subject| rows.iter().find(|row| row.subject == subject);
        let note = row("threadpool").and_then(|row| row.note.as_deref());
        assert_eq!(note, Some("has no fork-join"));
        for subject in crate::pools::SUITE.subjects {
            assert!(row(*subject).is_some(), "{subject}");
        }
    }

    #[test]
    fn foreign_load_is_told() {
        let quiet = [figure(1.0, 0.01), figure(1.0, 0.9), figure(1.0, 0.02)];
        assert_eq!(
            disturbance(&quiet),
            None,
            "one disturbed sample isn't the median"
        );
        let loud = [figure(1.0, 0.3), figure(1.0, 0.4), figure(1.0, 0.5)];
        let note = disturbance(&loud).expect("others were busy");
        assert_eq!(note, "disturbed: others used 40 % of the machine");
    }
}
