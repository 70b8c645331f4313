//! The experiments in their small size: every case gives figures, or says which limit kept it from
//! giving them.

use std::process::{Command, Stdio};
use std::time::Duration;

use record::{Report, Row};
use wait_timeout::ChildExt as _;

/// What hangs is ended after this: a busy machine with a build without optimisation takes a tenth.
const WATCHDOG: Duration = Duration::from_secs(200);

/// Runs an experiment once and gives its rows.
fn run(experiment: &str) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder can be had");
    let path = folder.path().join("rows.json");
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["run", experiment, "--quick", "--no-table"])
        .args(["--rounds", "1", "--cpus", "2", "--json"])
        .arg(&path)
        .stdin(Stdio::null())
        .spawn()
        .expect("the lab can be started");
    let Some(status) = lab.wait_timeout(WATCHDOG).expect("it can be waited for") else {
        lab.kill().expect("it can be ended");
        panic!("{experiment} hung for {} s", WATCHDOG.as_secs());
    };
    assert!(status.success(), "{status}");
    Report::read(&path).expect("it was written").rows
}

/// Checks that all was measured, except for what a system may forbid.
fn check(rows: &[Row], may_be_forbidden: impl Fn(&Row) -> bool) {
    assert!(!rows.is_empty());
    for row in rows {
        let (bench, subject, metric) = (&row.bench, &row.subject, &row.metric);
        let measured = row.median.is_some_and(|figure| figure >= 0.0);
        let excused = may_be_forbidden(row) && row.note.is_some();
        assert!(
            measured || excused,
            "{subject} of {bench}, {metric}: {row:?}"
        );
    }
}

#[test]
fn create_measures_every_unit() {
    let rows = run("create");
    // Containers may forbid tracing.
    check(&rows, |row| row.bench.starts_with("create/calls"));
    let figure = |bench: &str, subject: &str, metric: &str| {
        let is_it =
            |row: &&Row| (&*row.bench, &*row.subject, &*row.metric) == (bench, subject, metric);
        rows.iter().find(is_it).and_then(|row| row.median)
    };
    let memory = |units, subject| figure(&format!("create/memory/{units}"), subject, "memory");
    // What is true of any machine: a process holds more than a thread does, a thread more than
    // a task.
    let (process, thread) = (memory(100, "process-exec"), memory(100, "thread"));
    assert!(process > thread, "{process:?} {thread:?}");
    let task = memory(10_000, "mini-executor");
    assert!(thread > task, "{thread:?} {task:?}");
    // And nobody makes a thread without a system call.
    let calls = figure("create/calls/100", "thread", "system_calls");
    assert!(calls.is_none_or(|calls| calls >= 1.0), "{calls:?}");
}

/// Who has a figure of this metric in a bench, in the order of the table.
fn subjects<'a>(rows: &'a [Row], bench: &str, metric: &str) -> Vec<&'a str> {
    let of = |row: &&Row| row.bench == bench && row.metric == metric && row.median.is_some();
    rows.iter().filter(of).map(|row| &*row.subject).collect()
}

#[test]
fn server_measures_every_architecture() {
    let rows = run("server");
    check(&rows, |_| false);
    let all = [
        "prefork",
        "one-to-one",
        "pool-basic",
        "pool-workstealing",
        "mini-executor",
        "tokio",
    ];
    for bench in ["server/echo/100", "server/echo/1000", "server/hello/100"] {
        for metric in [
            "latency_p50",
            "latency_p99",
            "requests",
            "capacity",
            "cpu_time",
        ] {
            assert_eq!(subjects(&rows, bench, metric), all, "{metric} of {bench}");
        }
    }
}
