//! Goes round the cases of experiments, starts a fresh process for each, and makes rows of what
//! they say.
//!
//! # Protocol
//! 1. Every round goes through all cases, so that a disturbance of the machine meets everybody. Cases
//!    that are short get further rounds ([`record::Effort`]).
//! 2. A case whose process fails, hangs or says nothing is *out*: it keeps its row, with the reason,
//!    and isn't started again; its earlier figures are dropped.
//! 3. Subjects of one bench that tell an answer must tell the same one. Who differs from most of them
//!    is out.
//! 4. An interrupt ends the process at hand, and the run with it. What was read before becomes rows as
//!    usual, and [`Outcome::interrupted`] says so.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use record::{Effort, Ground, Reading, Row, metric, reading};
use wait_timeout::ChildExt as _;

use crate::experiments::Case;

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The figures, in the order of the cases.
    pub rows: Vec<Row>,
    /// Whether somebody ended it before its last round.
    pub interrupted: bool,
    /// Who answered otherwise than the others, a sentence each.
    pub wrong: Vec<String>,
}

/// What was read of a case so far, or why it is out.
type Taken = Result<Vec<Reading>, String>;

/// What somebody who waits is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// What is measured from now on.
    Next(&'a str),
    /// Who is out, and why.
    Out(&'a str),
}

impl Said<'_> {
    /// Tells it on the error stream: on a terminal what is next takes the place of what was before; a log
    /// gets a line each.
    pub fn tell(self) {
        let is_terminal = io::stderr().is_terminal();
        match self {
            // A line that is wider than the terminal could not be taken back.
            Self::Next(line) if is_terminal => eprint!("\r\x1b[2K{line:.78}"),
            Self::Out(line) if is_terminal => eprintln!("\r\x1b[2K{line}"),
            Self::Next(line) | Self::Out(line) => eprintln!("{line}"),
        }
    }

    /// Takes the last line back, where one can be.
    pub fn end() {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[2K");
        }
    }
}

/// Measures the cases; `start` makes the command of a case.
///
/// `say` is told what is measured next. `interrupted` is looked at between two processes.
///
/// # Blocking
/// Until every round is over; each process ends at its case's limit.
pub fn run(
    cases: &[Case],
    effort: Effort,
    start: impl Fn(&Case) -> Command,
    interrupted: &AtomicBool,
    mut say: impl FnMut(Said<'_>),
) -> Outcome {
    let mut taken: Vec<Taken> = cases.iter().map(|_| Ok(Vec::new())).collect();
    let mut took = vec![Duration::ZERO; cases.len()];
    let mut is_over = false;
    for round in 1..=effort.most {
        for ((case, taken), took) in cases.iter().zip(&mut taken).zip(&mut took) {
            // ORDERING: Relaxed: a flag that is looked at again and again, and nothing beside it.
            is_over = is_over || interrupted.load(Ordering::Relaxed);
            let Ok(list) = taken else { continue };
            if is_over || !effort.grants(round, *took) {
                continue;
            }
            let rounds = effort.rounds.max(round);
            say(Said::Next(&format!("{case:?}, round {round} of {rounds}")));
            let begun = Instant::now();
            match take(&mut start(case), case.limit, interrupted) {
                Ok(reading) => list.push(reading),
                // Whoever was interrupted did not fail.
                Err(_) if interrupted.load(Ordering::Relaxed) => is_over = true,
                Err(reason) => {
                    say(Said::Out(&format!("{case:?}: {reason}")));
                    *taken = Err(reason);
                }
            }
            *took += begun.elapsed();
        }
    }
    let wrong = put_out_the_wrong(cases, &mut taken);
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
        wrong,
    }
}

/// Puts out whoever answered otherwise than most subjects of the bench, and says so.
fn put_out_the_wrong(cases: &[Case], taken: &mut [Taken]) -> Vec<String> {
    let mut answers: Vec<(usize, u64)> = Vec::new();
    for (at, taken) in taken.iter().enumerate() {
        let readings = taken.iter().flatten();
        answers.extend(readings.filter_map(|reading| Some((at, reading.answer?))));
    }
    let mut wrong = Vec::new();
    for at in 0..cases.len() {
        let of_bench = |(other, _): &&(usize, u64)| cases[*other].bench == cases[at].bench;
        let votes = |answer: u64| {
            let of_bench = answers.iter().filter(of_bench);
            of_bench.filter(|(_, other)| *other == answer).count()
        };
        // Of two that have as many votes, the one that came first.
        let rival = answers.iter().filter(of_bench).rev();
        let Some((by, right)) = rival.max_by_key(|(_, answer)| votes(*answer)) else {
            continue;
        };
        let own = answers.iter().filter(|(other, _)| *other == at);
        if let Some((_, answer)) = own.clone().find(|(_, answer)| answer != right) {
            let reason = format!(
                "wrong answer: {answer:#x}, where {} answers {right:#x}",
                cases[*by].subject
            );
            wrong.push(format!("{:?}: {reason}", cases[at]));
            taken[at] = Err(reason);
        }
    }
    wrong
}

/// Runs the process of one case; the error is the note of its row.
fn take(
    command: &mut Command,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<Reading, String> {
    let fault = |error: io::Error| format!("could not run: {error}");
    // What it says goes to files: a pipe could fill, or be held open by a grandchild.
    let mut output = tempfile::tempfile().map_err(fault)?;
    let mut errors = tempfile::tempfile().map_err(fault)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(fault)?)
        .stderr(errors.try_clone().map_err(fault)?)
        .spawn()
        .map_err(fault)?;
    let Some(status) = wait(&mut child, limit, interrupted).map_err(fault)? else {
        child.kill().map_err(fault)?;
        child.wait().map_err(fault)?;
        return Err(format!("killed after {} s", limit.as_secs()));
    };
    let output = text(&mut output).map_err(fault)?;
    match Reading::from_output(&output) {
        Some(reading) if status.success() => Ok(reading),
        _ => Err(format!(
            "{status}: {}",
            last_words(&text(&mut errors).map_err(fault)?)
        )),
    }
}

/// Runs a process that has nothing to say; the error is why it failed.
pub(crate) fn end(command: &mut Command, limit: Duration) -> Result<(), String> {
    let fault = |error: io::Error| format!("could not run: {error}");
    let mut errors = tempfile::tempfile().map_err(fault)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone().map_err(fault)?)
        .spawn()
        .map_err(fault)?;
    match child.wait_timeout(limit).map_err(fault)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!(
            "{status}: {}",
            last_words(&text(&mut errors).map_err(fault)?)
        )),
        None => {
            child.kill().map_err(fault)?;
            child.wait().map_err(fault)?;
            Err(format!("killed after {} s", limit.as_secs()))
        }
    }
}

/// Waits for a child until the limit, or until somebody interrupts; `None` where it still runs then.
fn wait(
    child: &mut Child,
    limit: Duration,
    interrupted: &AtomicBool,
) -> io::Result<Option<ExitStatus>> {
    /// How soon an interrupt is seen, which costs a wake-up of this process as often.
    const STEP: Duration = Duration::from_millis(250);
    let start = Instant::now();
    loop {
        let left = limit.saturating_sub(start.elapsed());
        let ended = child.wait_timeout(left.min(STEP))?;
        // ORDERING: Relaxed: as in `run`.
        if ended.is_some() || left.is_zero() || interrupted.load(Ordering::Relaxed) {
            return Ok(ended);
        }
    }
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last line that says something.
fn last_words(errors: &str) -> &str {
    let says =
        |line: &&str| !line.is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE");
    let mut lines = errors.lines().rev().map(str::trim).filter(says);
    lines.next().unwrap_or("it said nothing")
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
        let outcome = run(
            &[case("a"), case("b")],
            Effort::exactly(3),
            start,
            &NEVER,
            |_| {},
        );
        let samples: Vec<_> = outcome.rows.iter().map(|row| row.samples.clone()).collect();
        assert_eq!(samples, [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]], "in turns");
        assert!(!outcome.interrupted);
    }

    #[test]
    fn a_short_case_has_more_rounds() {
        let effort = Effort {
            rounds: 2,
            most: 5,
            slice: Duration::from_secs(1),
        };
        let start = |case: &Case| {
            let reading = Reading::default().with(&metric::TIME, 1.0);
            let wait = if case.subject == "long" {
                "sleep 1; "
            } else {
                ""
            };
            sh(format!("{wait}echo '{}'", reading.to_line()))
        };
        let outcome = run(
            &[case("short"), case("long")],
            effort,
            start,
            &NEVER,
            |_| {},
        );
        let samples: Vec<_> = outcome.rows.iter().map(|row| row.samples.len()).collect();
        // A busy machine may make the short one long, but not the long one short.
        assert!((2..=5).contains(&samples[0]), "{samples:?}");
        assert_eq!(samples[1], 2);
    }

    #[test]
    fn who_fails_is_out_with_a_reason() {
        let starts = Cell::new(0);
        let start = |_: &Case| {
            starts.set(starts.get() + 1);
            sh("echo 'error: no threads left' >&2; exit 1")
        };
        let outcome = run(&[case("a")], Effort::exactly(3), start, &NEVER, |_| {});
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
        let outcome = run(
            &[case],
            Effort::exactly(1),
            |_| sh("exec sleep 600"),
            &NEVER,
            |_| {},
        );
        let note = outcome.rows[0].note.as_deref().expect("a reason");
        assert!(note.starts_with("killed after"), "{note}");
    }

    #[test]
    fn who_answers_otherwise_is_out() {
        let start = |case: &Case| {
            let answer = if case.subject == "b" { 8 } else { 7 };
            let reading = Reading::default().with(&metric::TIME, 1.0);
            sh(format!("echo '{}'", reading.with_answer(answer).to_line()))
        };
        let cases = [case("a"), case("b"), case("c")];
        let outcome = run(&cases, Effort::exactly(2), start, &NEVER, |_| {});
        assert_eq!(outcome.wrong.len(), 1, "{:?}", outcome.wrong);
        let medians: Vec<_> = outcome.rows.iter().map(|row| row.median).collect();
        assert_eq!(medians, [Some(1.0), None, Some(1.0)]);
        let note = outcome.rows[1].note.as_deref().expect("a reason");
        assert_eq!(note, "wrong answer: 0x8, where a answers 0x7");
        // Of two, the first counts as right.
        let outcome = run(&cases[..2], Effort::exactly(1), start, &NEVER, |_| {});
        assert!(outcome.wrong[0].starts_with("b of "), "{:?}", outcome.wrong);
    }

    #[test]
    fn a_panic_is_told_without_the_advice() {
        let said = "thread 'main' panicked at src/main.rs:3:5:\nno luck\n\
                    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(last_words(said), "no luck");
        assert_eq!(last_words("\n"), "it said nothing");
    }

    #[test]
    fn an_interrupt_ends_the_process_at_hand() {
        let interrupted = AtomicBool::new(true);
        let start = Instant::now();
        let taken = take(
            &mut sh("exec sleep 600"),
            Duration::from_secs(500),
            &interrupted,
        );
        assert!(taken.is_err() && start.elapsed() < Duration::from_secs(100));
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
        let outcome = run(&cases, Effort::exactly(3), start, &interrupted, |_| {});
        assert!(outcome.interrupted);
        assert_eq!(outcome.rows[0].samples, [1.0]);
        for row in &outcome.rows[1..] {
            let note = row.note.as_deref().expect("a reason");
            assert!(note.starts_with("not run: interrupted"), "{note}");
        }
    }
}
