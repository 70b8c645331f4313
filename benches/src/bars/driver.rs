//! Goes round the subjects, gathers what their processes print, and judges the bars.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use record::{Metric, Report, Row, metric, stats};
use wait_timeout::ChildExt as _;

use super::{BENCHES, Bar, Bench, Figure, Judged, LIMIT};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Benches by name; empty means all.
    pub only: Vec<String>,
    /// A tenth of the jobs and few rounds: a look, not a measurement.
    pub quick: bool,
    /// Workers of each pool.
    pub cpus: usize,
    /// Rounds; 0 takes 11, or 3 when quick.
    pub rounds: usize,
}

/// The figures of one bench: one list a subject, one figure a round, `Err` with the reason
/// once a subject has failed.
struct Figures {
    bench: &'static Bench,
    by_subject: Vec<Result<Vec<Figure>, String>>,
}

/// Measures everything and returns the report and whether every bar was met.
///
/// # Errors
/// Where this program can't be started again.
///
/// # Blocking
/// Until every round is over; each sample ends at a limit of its own.
pub fn run(options: &Options) -> anyhow::Result<(Report, bool)> {
    let program = std::env::current_exe().context("could not find this program")?;
    let mut all: Vec<Figures> = BENCHES
        .iter()
        .filter(|bench| {
            options.only.is_empty() || options.only.iter().any(|name| name == bench.name)
        })
        .map(|bench| Figures {
            bench,
            by_subject: bench.subjects.iter().map(|_| Ok(Vec::new())).collect(),
        })
        .collect();
    let rounds = match (options.rounds, options.quick) {
        (0, true) => 3,
        (0, false) => 11,
        (rounds, _) => rounds,
    };
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for figures in &mut all {
            for (subject, taken) in figures.bench.subjects.iter().zip(&mut figures.by_subject) {
                let Ok(list) = taken else { continue };
                let mut command = Command::new(&program);
                command
                    .args(["figure", figures.bench.name, subject.name])
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

    let mut report = Report::here();
    let mut met = true;
    for figures in &all {
        report.rows.extend(figures.rows());
        for bar in figures.bench.bars {
            let row = figures.ratio(bar);
            met &= row.median.is_some_and(|ratio| ratio <= bar.at_most);
            report.rows.push(row);
        }
    }
    Ok((report, met))
}

impl Figures {
    fn of(&self, name: &str) -> &Result<Vec<Figure>, String> {
        let at = self
            .bench
            .subjects
            .iter()
            .position(|subject| subject.name == name);
        &self.by_subject[at.expect("invariant: bars name subjects of their bench")]
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (metric, judged) in [
            (&metric::NS_PER_JOB, Judged::Wall),
            (&CPU_NS_PER_JOB, Judged::Cpu),
        ] {
            for (subject, taken) in self.bench.subjects.iter().zip(&self.by_subject) {
                rows.push(match taken {
                    Ok(list) => {
                        let samples = list.iter().map(|figure| figure.judged(judged)).collect();
                        let row =
                            Row::measured(self.bench.name, metric, subject.name, "host", samples);
                        match disturbance(list) {
                            Some(note) if judged == Judged::Wall => row.with_note(note),
                            _ => row,
                        }
                    }
                    Err(reason) => {
                        Row::missing(self.bench.name, metric, subject.name, "host", reason)
                    }
                });
            }
        }
        rows
    }

    /// The row of a bar: one quotient a round.
    fn ratio(&self, bar: &Bar) -> Row {
        let subject = format!("{} / {}", bar.ours, bar.theirs);
        let judged = self.bench.judged;
        match (self.of(bar.ours), self.of(bar.theirs)) {
            (Ok(ours), Ok(theirs)) => {
                let quotients: Vec<f64> = ours
                    .iter()
                    .zip(theirs)
                    .map(|(ours, theirs)| ours.judged(judged) / theirs.judged(judged))
                    .collect();
                let verdict = match stats::median(&quotients) {
                    Some(ratio) if ratio <= bar.at_most => "met",
                    _ => "MISSED",
                };
                let of = match judged {
                    Judged::Wall => "wall",
                    Judged::Cpu => "CPU",
                };
                Row::measured(self.bench.name, &metric::RATIO, subject, "host", quotients)
                    .with_note(format!(
                        "{verdict}: at most {:.2}x of the {of} time",
                        bar.at_most
                    ))
            }
            (Err(reason), _) | (_, Err(reason)) => {
                Row::missing(self.bench.name, &metric::RATIO, subject, "host", reason)
            }
        }
    }
}

/// CPU time of the whole process a job.
const CPU_NS_PER_JOB: Metric = Metric::lower("cpu_ns_per_job", "ns");

/// The foreign share from which on wall times are said to be disturbed.
const DISTURBED: f64 = 0.05;

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

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_figure_is_read() {
        assert_eq!(sample(&mut sh("echo 12.5 25 0.5")), Ok(figure(12.5, 0.5)));
    }

    #[test]
    fn failures_and_hangs_become_reasons() {
        assert!(sample(&mut sh("echo 12.5 25 0.5; exit 1")).is_err());
        assert!(sample(&mut sh("echo nothing")).is_err());
        let reason = sample_within(&mut sh("exec sleep 600"), Duration::from_millis(100));
        assert!(reason.expect_err("it hangs").starts_with("killed"));
    }

    /// Twice as much CPU time as wall time: two busy workers.
    fn figure(wall_ns: f64, foreign: f64) -> Figure {
        Figure {
            wall_ns,
            cpu_ns: 2.0 * wall_ns,
            foreign: Some(foreign),
        }
    }

    fn figures(ours: &[f64], theirs: Result<&[f64], String>) -> Figures {
        let bench = &BENCHES[0];
        let list = |wall: &[f64]| wall.iter().map(|wall| figure(*wall, 0.0)).collect();
        let mut by_subject: Vec<_> = bench.subjects.iter().map(|_| Ok(Vec::new())).collect();
        let at = |name: &str| {
            bench
                .subjects
                .iter()
                .position(|one| one.name == name)
                .expect("there")
        };
        by_subject[at(BAR.ours)] = Ok(list(ours));
        by_subject[at(BAR.theirs)] = theirs.map(list);
        Figures { bench, by_subject }
    }

    const BAR: Bar = Bar {
        ours: "textbook",
        theirs: "threadpool",
        at_most: 1.0,
    };

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The second round was disturbed for both: its quotient is like the others'.
        let row = figures(&[9.0, 900.0, 8.0], Ok(&[10.0, 1000.0, 10.0])).ratio(&BAR);
        assert_eq!(row.median, Some(0.9));
        assert_eq!(
            row.note.as_deref(),
            Some("met: at most 1.00x of the wall time")
        );
        let row = figures(&[11.0], Ok(&[10.0])).ratio(&BAR);
        assert_eq!(
            row.note.as_deref(),
            Some("MISSED: at most 1.00x of the wall time")
        );
    }

    #[test]
    fn a_failed_rival_leaves_a_row_with_the_reason() {
        let row = figures(&[9.0], Err("killed after 60 s".into())).ratio(&BAR);
        assert_eq!(
            (row.median, row.note.as_deref()),
            (None, Some("killed after 60 s"))
        );
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
