//! The program as a user runs it: its table, its files, its page, its answers.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use benches::{Model, Report};

/// What a test may take.
const LIMIT: Duration = Duration::from_secs(120);

fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = std::thread::spawn(move || {
        test();
        // Nobody listens any more where it took too long.
        let _ = done.send(());
    });
    match ended.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hung for {} seconds", LIMIT.as_secs()),
        _ => {
            if let Err(payload) = runner.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}

fn lab(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_own-lab"));
    command.current_dir(folder).args(words);
    command
}

fn run(folder: &Path, words: &[&str]) -> Output {
    lab(folder, words).output().expect("it starts")
}

#[test]
fn every_workload_has_a_figure_under_every_model() {
    watched(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let words = [
            "--rounds", "2", "--json", "own.json", "--report", "own.html", "--trace", "traces",
        ];
        let output = run(folder.path(), &words);
        assert!(output.status.success(), "{output:?}");
        let report = Report::read(&folder.path().join("own.json")).expect("a report");
        for bench in ["lent books", "longest title/64", "longest title/512"] {
            for model in Model::ALL {
                let is_it = |row: &&benches::Row| {
                    (&*row.bench, &*row.subject, &*row.metric) == (bench, model.name(), "time")
                };
                let row = report.rows.iter().find(is_it).expect("a row");
                assert_eq!(row.samples.len(), 2, "{row:?}");
            }
        }
        let table = String::from_utf8_lossy(&output.stdout);
        assert!(
            table.contains("lent books") && table.contains("one-to-one"),
            "{table}"
        );
        let page = std::fs::read_to_string(folder.path().join("own.html")).expect("a page");
        for part in [
            "books under every model",
            "lent books",
            "race",
            "own-lab --rounds 2",
        ] {
            assert!(
                page.contains(part) || page.contains(&part.replace("&#39;", "'")),
                "{part}"
            );
        }
        let traces = std::fs::read_dir(folder.path().join("traces")).expect("a folder");
        assert_eq!(traces.count(), 3 * Model::WITH_RECORDER.len());
    });
}

#[test]
fn an_answer_that_differs_between_processes_is_an_error() {
    watched(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let output = run(
            folder.path(),
            &["--rounds", "1", "--json", "own.json", "--wrong"],
        );
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("wrong answer"), "{said}");
        let report = Report::read(&folder.path().join("own.json")).expect("a report all the same");
        assert!(report.rows.iter().any(|row| row.median.is_some()));
    });
}

#[test]
fn an_interrupt_leaves_what_was_measured() {
    watched(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = lab(folder.path(), &["--rounds", "1000", "--json", "own.json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        // In the second round everybody has a figure.
        let second = said
            .by_ref()
            .find(|line| line.as_ref().is_ok_and(|line| line.contains("round 2 of")));
        assert!(second.is_some(), "it ended by itself");
        let kill = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(kill.expect("kill runs").success());
        // It may say more, and must not wait for a reader.
        said.for_each(drop);
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        let report = Report::read(&folder.path().join("own.json")).expect("a report");
        assert!(report.interrupted);
        assert!(
            report.rows.iter().all(|row| row.median.is_some()),
            "{report:?}"
        );
    });
}
