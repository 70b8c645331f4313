//! Goes round the cases of experiments, starts a fresh process for each, and makes rows of what
//! they say.
//!
//! # Protocol
//! 1. Every round goes through all cases, so that a disturbance of the machine meets everybody.
//! 2. A case whose process fails, hangs or says nothing is *out*: it keeps its row, with the reason,
//!    and isn't started again; its earlier figures are dropped.
//! 3. An interrupt ends the run after the process at hand, which the terminal has interrupted too.
//!    What was read before becomes rows as usual, and [`Outcome::interrupted`] says so.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use record::{Ground, Reading, Row, metric, reading};
use wait_timeout::ChildExt as _;

use crate::experiments::Case;

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The figures, in the order of the cases.
    pub rows: Vec<Row>,
    /// Whether somebody ended it before its last round.
    pub interrupted: bool,
}

/// Measures the cases, in so many rounds; `start` makes the command of a case.
///
/// `say` is told what is measured next. `interrupted` is looked at between two processes.
///
/// # Blocking
/// Until every round is over; each process ends at its case's limit.
pub fn run(
    cases: &[Case],
    rounds: usize,
    start: impl Fn(&Case) -> Command,
    interrupted: &AtomicBool,
    mut say: impl FnMut(&str),
) -> Outcome {
    let mut taken: Vec<Result<Vec<Reading>, String>> =
        cases.iter().map(|_| Ok(Vec::new())).collect();
    let mut is_over = false;
    for round in 1..=rounds {
        for (case, taken) in cases.iter().zip(&mut taken) {
            // ORDERING: Relaxed: a flag that is looked at again and again, and nothing beside it.
            is_over = is_over || interrupted.load(Ordering::Relaxed);
            let Ok(list) = taken else { continue };
            if is_over {
                continue;
            }
            say(&format!("{case:?}, round {round} of {rounds}"));
            match take(&mut start(case), case.limit) {
                Ok(reading) => list.push(reading),
                // Whoever was interrupted did not fail.
                Err(_) if interrupted.load(Ordering::Relaxed) => is_over = true,
                Err(reason) => {
                    say(&format!("{case:?}: {reason}"));
                    *taken = Err(reason);
                }
            }
        }
    }
    let rows = cases.iter().zip(taken).flat_map(|(case, taken)| {
        let ground = Ground::Host.name();
        let missing = |why| {
            vec![Row::missing(
                &case.bench,
                &metric::TIME,
                &case.subject,
                ground,
                why,
            )]
        };
        match taken {
            Ok(readings) if readings.is_empty() => {
                missing("not run: interrupted before its turn".to_owned())
            }
            Ok(readings) => reading::rows(&case.bench, &case.subject, ground, &readings),
            Err(reason) => missing(reason),
        }
    });
    Outcome {
        rows: rows.collect(),
        interrupted: is_over,
    }
}

/// Runs the process of one case; the error is the note of its row.
fn take(command: &mut Command, limit: Duration) -> Result<Reading, String> {
    let fault = |error: std::io::Error| format!("could not run: {error}");
    // What it prints is one short line, which fits into the pipe; errors go to a file, whose last
    // line is the reason.
    let errors = tempfile::tempfile().map_err(fault)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone().map_err(fault)?)
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
    match Reading::from_output(&text) {
        Some(reading) if status.success() => Ok(reading),
        _ => Err(format!("{status}: {}", last_words(errors))),
    }
}

fn last_words(mut errors: std::fs::File) -> String {
    use std::io::Seek as _;
    let mut text = Vec::new();
    let read = errors.rewind().and_then(|()| errors.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    match (read, last) {
        (Ok(_), Some(line)) => line.trim().to_owned(),
        _ => "it said nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn sh(script: impl AsRef<str>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script.as_ref()]);
        command
    }

    fn case(subject: &str) -> Case {
        Case::new("create/time/1", subject, || Ok(Reading::default()))
    }

    static NEVER: AtomicBool = AtomicBool::new(false);

    #[test]
    fn rounds_become_samples() {
        let round = Cell::new(0.0);
        let start = |_: &Case| {
            round.set(round.get() + 1.0);
            let reading = Reading::default().with(&metric::TIME, round.get());
            sh(format!("echo '{}'", reading.to_line()))
        };
        let outcome = run(&[case("a"), case("b")], 3, start, &NEVER, |_| {});
        let samples: Vec<_> = outcome.rows.iter().map(|row| row.samples.clone()).collect();
        assert_eq!(samples, [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]], "in turns");
        assert!(!outcome.interrupted);
    }

    #[test]
    fn who_fails_is_out_with_a_reason() {
        let starts = Cell::new(0);
        let start = |_: &Case| {
            starts.set(starts.get() + 1);
            sh("echo 'error: no threads left' >&2; exit 1")
        };
        let outcome = run(&[case("a")], 3, start, &NEVER, |_| {});
        assert_eq!(starts.get(), 1, "not started again");
        let note = outcome.rows[0].note.as_deref().expect("a reason");
        assert!(
            note.contains("exit status: 1: error: no threads left"),
            "{note}"
        );
    }

    #[test]
    fn who_hangs_is_killed() {
        let case = case("a").within(Duration::from_millis(100));
        let outcome = run(&[case], 1, |_| sh("exec sleep 600"), &NEVER, |_| {});
        let note = outcome.rows[0].note.as_deref().expect("a reason");
        assert!(note.starts_with("killed after"), "{note}");
    }

    #[test]
    fn an_interrupt_keeps_what_was_read() {
        let interrupted = AtomicBool::new(false);
        let start = |case: &Case| match case.subject.as_str() {
            "a" => sh(format!(
                "echo '{}'",
                Reading::default().with(&metric::TIME, 1.0).to_line()
            )),
            _ => {
                interrupted.store(true, Ordering::Relaxed);
                sh("exit 130")
            }
        };
        let cases = [case("a"), case("b"), case("c")];
        let outcome = run(&cases, 3, start, &interrupted, |_| {});
        assert!(outcome.interrupted);
        assert_eq!(outcome.rows[0].samples, [1.0]);
        for row in &outcome.rows[1..] {
            let note = row.note.as_deref().expect("a reason");
            assert!(note.starts_with("not run: interrupted"), "{note}");
        }
    }
}
