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

/// The one figure of a case.
fn figure(rows: &[Row], bench: &str, subject: &str, metric: &str) -> Option<f64> {
    let is_it = |row: &&Row| (&*row.bench, &*row.subject, &*row.metric) == (bench, subject, metric);
    rows.iter().find(is_it).and_then(|row| row.median)
}

#[test]
fn create_measures_every_unit() {
    let rows = run("create");
    // Containers may forbid tracing.
    check(&rows, |row| row.bench.starts_with("create/calls"));
    let memory =
        |units, subject| figure(&rows, &format!("create/memory/{units}"), subject, "memory");
    // What is true of any machine: a process holds more than a thread does, a thread more than
    // a task.
    let (process, thread) = (memory(100, "process-exec"), memory(100, "thread"));
    assert!(process > thread, "{process:?} {thread:?}");
    let task = memory(10_000, "mini-executor");
    assert!(thread > task, "{thread:?} {task:?}");
    // And nobody makes a thread without a system call.
    let calls = figure(&rows, "create/calls/100", "thread", "system_calls");
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

#[test]
fn switch_measures_both_sides_of_each_kind() {
    let rows = run("switch");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    check(&rows, |row| cpus == 1 && row.bench == "switch/two-cpus");
    // Who waits in a pipe can't but block, about once a hand-over: the partner runs meanwhile.
    let voluntary = figure(
        &rows,
        "switch/same-cpu",
        "process-pipe",
        "voluntary_switches",
    );
    assert!(voluntary.is_some_and(|count| count > 0.3), "{voluntary:?}");
    // And tasks on one worker hand over without the system.
    let voluntary = figure(
        &rows,
        "switch/same-cpu",
        "mini-executor-yield",
        "voluntary_switches",
    );
    assert!(voluntary.is_some_and(|count| count < 0.1), "{voluntary:?}");
    // What no cache of a core holds takes longer to walk over than what fits into the first one.
    let walk = |bytes: u64| {
        let bench = format!("switch/working-set/{bytes}");
        figure(&rows, &bench, "thread-park", "walk")
    };
    assert!(walk(4 << 20) > walk(4 << 10).map(|walk| walk * 100.0));
}

#[test]
fn parallel_measures_every_problem() {
    let rows = run("parallel");
    check(&rows, |_| false);
    for row in rows.iter().filter(|row| row.metric == "speed_up_bound") {
        let bound = row.median.expect("measured");
        assert!((1.0..=2.0).contains(&bound), "{row:?}");
    }
}

#[test]
fn ipc_measures_every_way() {
    let rows = run("ipc");
    // A queue needs the system's leave.
    check(&rows, |row| row.subject.starts_with("message-queue"));
    for (part, metric) in [("latency", "time"), ("throughput", "throughput")] {
        for size in [64, 4096, 262_144] {
            let bench = format!("ipc/{part}/{size}");
            let measured = subjects(&rows, &bench, metric);
            for way in ["pipe", "local-socket", "tcp", "shared-memory", "file"] {
                for who in ["threads", "processes"] {
                    let subject = format!("{way}-{who}");
                    assert!(measured.contains(&&*subject), "{subject} of {bench}");
                }
            }
        }
    }
}

#[test]
fn mixed_measures_every_model_and_its_ways_out() {
    let rows = run("mixed");
    check(&rows, |_| false);
    let models = record::Model::NAMES;
    let ways = [
        "pool-workstealing-resize",
        "mini-executor-unblock",
        "mini-executor-in-place",
        "tokio-spawn-blocking",
        "tokio-in-place",
    ];
    for part in ["idle", "compute", "nested", "blocking", "inversion"] {
        let measured = subjects(&rows, &format!("mixed/{part}"), "latency_p99");
        assert!(
            models.iter().all(|model| measured.contains(model)),
            "{part}"
        );
        let has_ways = ways.iter().all(|way| measured.contains(way));
        assert_eq!(has_ways, matches!(part, "compute" | "blocking"), "{part}");
    }
    // What is true of any machine: a bounded pool whose workers all block answers nobody meanwhile.
    let late = |bench| figure(&rows, bench, "pool-basic", "latency_p50");
    let (beside, alone) = (late("mixed/blocking"), late("mixed/idle"));
    assert!(beside > Some(1e6) && beside > alone, "{beside:?} {alone:?}");
}
