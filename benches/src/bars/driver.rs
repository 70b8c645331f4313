//! Goes round the subjects, gathers what their processes print, and judges the bars.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use record::{Report, Row, metric, stats};
use wait_timeout::ChildExt as _;

use super::{BENCHES, Bar, Bench, LIMIT};

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
    by_subject: Vec<Result<Vec<f64>, String>>,
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
    fn of(&self, name: &str) -> &Result<Vec<f64>, String> {
        let at = self
            .bench
            .subjects
            .iter()
            .position(|subject| subject.name == name);
        &self.by_subject[at.expect("invariant: bars name subjects of their bench")]
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(subject, taken): (&super::Subject, &Result<Vec<f64>, String>)| match taken {
            Ok(list) => Row::measured(
                self.bench.name,
                &metric::NS_PER_JOB,
                subject.name,
                "host",
                list.clone(),
            ),
            Err(reason) => Row::missing(
                self.bench.name,
                &metric::NS_PER_JOB,
                subject.name,
                "host",
                reason,
            ),
        };
        self.bench
            .subjects
            .iter()
            .zip(&self.by_subject)
            .map(row)
            .collect()
    }

    /// The row of a bar: one quotient a round.
    fn ratio(&self, bar: &Bar) -> Row {
        let subject = format!("{} / {}", bar.ours, bar.theirs);
        match (self.of(bar.ours), self.of(bar.theirs)) {
            (Ok(ours), Ok(theirs)) => {
                let quotients: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
                let verdict = match stats::median(&quotients) {
                    Some(ratio) if ratio <= bar.at_most => "met",
                    _ => "MISSED",
                };
                Row::measured(self.bench.name, &metric::RATIO, subject, "host", quotients)
                    .with_note(format!("{verdict}: at most {:.2}x", bar.at_most))
            }
            (Err(reason), _) | (_, Err(reason)) => {
                Row::missing(self.bench.name, &metric::RATIO, subject, "host", reason)
            }
        }
    }
}

/// Runs one process; the error is the note of its row.
fn sample(command: &mut Command) -> Result<f64, String> {
    sample_within(command, LIMIT)
}

fn sample_within(command: &mut Command, limit: Duration) -> Result<f64, String> {
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
    match text.trim().parse::<f64>() {
        Ok(figure) if status.success() => Ok(figure),
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
        assert_eq!(sample(&mut sh("echo 12.5")), Ok(12.5));
    }

    #[test]
    fn failures_and_hangs_become_reasons() {
        assert!(sample(&mut sh("echo 12.5; exit 1")).is_err());
        assert!(sample(&mut sh("echo nothing")).is_err());
        let reason = sample_within(&mut sh("exec sleep 600"), Duration::from_millis(100));
        assert!(reason.expect_err("it hangs").starts_with("killed"));
    }

    fn figures(ours: Vec<f64>, theirs: Result<Vec<f64>, String>) -> Figures {
        let bench = &BENCHES[0];
        let mut by_subject: Vec<_> = bench.subjects.iter().map(|_| Ok(Vec::new())).collect();
        let at = |name: &str| {
            bench
                .subjects
                .iter()
                .position(|one| one.name == name)
                .expect("there")
        };
        by_subject[at(BAR.ours)] = Ok(ours);
        by_subject[at(BAR.theirs)] = theirs;
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
        let row = figures(vec![9.0, 900.0, 8.0], Ok(vec![10.0, 1000.0, 10.0])).ratio(&BAR);
        assert_eq!(row.median, Some(0.9));
        assert_eq!(row.note.as_deref(), Some("met: at most 1.00x"));
        let row = figures(vec![11.0], Ok(vec![10.0])).ratio(&BAR);
        assert_eq!(row.note.as_deref(), Some("MISSED: at most 1.00x"));
    }

    #[test]
    fn a_failed_rival_leaves_a_row_with_the_reason() {
        let row = figures(vec![9.0], Err("killed after 60 s".into())).ratio(&BAR);
        assert_eq!(
            (row.median, row.note.as_deref()),
            (None, Some("killed after 60 s"))
        );
    }
}
