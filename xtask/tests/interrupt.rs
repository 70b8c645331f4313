//! Ctrl-C in the middle of a comparison: what was measured is written, and marked.
//!
//! The lab is a script here: one model answers at once, the other one never does, so that the interrupt
//! meets a known moment. The signal, the processes and the files are real.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::Report;

/// What a test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Says which process it is, and sleeps, unless it is the model that answers.
const LAB: &str = r#"#!/bin/sh
case "$*" in
    natives) ;;
    *pool-basic*) echo '{"time_ns":5.0,"voluntary":0.0,"involuntary":0.0,"runs":1,"checksum":7,"expected":7}' ;;
    *) echo $$ > asleep.partial; mv asleep.partial asleep; exec sleep 600 ;;
esac
"#;

fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
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

fn start(folder: &Path) -> Child {
    let lab = folder.join("lab");
    std::fs::write(&lab, LAB).expect("written");
    std::fs::set_permissions(&lab, std::fs::Permissions::from_mode(0o755)).expect("made a program");
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(folder)
        .args([
            "compare",
            "models",
            "--ground",
            "host",
            "--workloads",
            "fib",
            "--quick",
        ])
        .args(["--models", "pool-basic,rayon", "--lab"])
        .arg(&lab)
        .args([
            "--json", "out.json", "--csv", "out.csv", "--report", "out.html",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Waits until the model that never answers runs, and returns its process.
fn asleep(folder: &Path) -> i32 {
    loop {
        if let Ok(text) = std::fs::read_to_string(folder.join("asleep")) {
            return text.trim().parse().expect("a process");
        }
        thread::yield_now();
    }
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process"));
    kill(pid, Signal::SIGINT).expect("it runs");
}

/// A process that nobody has reaped yet counts as ended.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn what_was_measured_is_written_and_marked() {
    watched(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = start(folder.path());
        let sleeper = asleep(folder.path());
        interrupt(&child);
        let mut table = String::new();
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_to_string(&mut table).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{table}");
        while is_running(sleeper) {
            thread::yield_now();
        }
        assert!(
            table.contains("partial: somebody ended this run"),
            "{table}"
        );

        let report = Report::read(&folder.path().join("out.json")).expect("a report");
        assert!(report.interrupted);
        let of = |subject: &str| {
            let is_it = |row: &&record::Row| row.subject == subject && row.metric == "time";
            report.rows.iter().find(is_it).expect("a row")
        };
        assert_eq!(of("pool-basic").samples, [5.0]);
        assert_eq!(
            of("rayon").note.as_deref(),
            Some("not run: interrupted before its turn")
        );
        let csv = std::fs::read_to_string(folder.path().join("out.csv")).expect("values");
        assert!(
            csv.lines().skip(1).all(|line| line.ends_with(",true")),
            "{csv}"
        );
        let page = std::fs::read_to_string(folder.path().join("out.html")).expect("a page");
        assert!(page.contains("class=\"partial\""), "the page is marked");
    });
}

#[test]
fn a_second_interrupt_ends_at_once() {
    watched(|| {
        let folder = tempfile::tempdir().expect("a folder");
        // Whoever writes the page waits for a reader, for ever.
        let page = folder.path().join("out.html");
        let made = Command::new("mkfifo").arg(&page).status();
        assert!(made.expect("mkfifo runs").success());
        let mut child = start(folder.path());
        let sleeper = asleep(folder.path());
        interrupt(&child);
        // This is written before the page.
        while !folder.path().join("out.csv").exists() {
            thread::yield_now();
        }
        interrupt(&child);
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("text");
        assert_eq!(said.lines().last(), Some("interrupted"), "{said}");
        while is_running(sleeper) {
            thread::yield_now();
        }
    });
}
