//! The shell, driven by a script: what it prints, and the trace that it sends.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use kcore::console::stuff_input;
use serde_json::Value;

use super::expect::{self, ANY};
use super::run;
use crate::qemu::Machine;

/// What is typed, and what must be seen of it. The prompt of each command stands before what the
/// command prints first, because nobody echoes the script.
const SCRIPT: &[(&str, &[&str])] = &[
    ("trace on", &[]),
    (
        "ps",
        &[
            "$ $   PID    TID STATE   POLICY   NICE  USER ms   SYS ms VOLUNTARY INVOLUNT. FAULTS NAME",
            "    1 *running rr          0*shell",
        ],
    ),
    (
        "sched",
        &[
            "$ policies: fcfs, rr, priority, mlfq, fair",
            "process 1: rr, nice 0",
        ],
    ),
    ("sched 1 fair 5", &[]),
    ("sched", &["$ $ policies: *", "process 1: fair, nice 5"]),
    (
        "sched 1 lottery",
        &["$ sched: the policy is one of fcfs, *"],
    ),
    (
        "top 1",
        &[
            "$   CPU %   PID    TID STATE   NAME",
            "*    1 *running shell",
        ],
    ),
    ("ls", &[ANY, "*3890 data.txt", "*0 empty"]),
    ("ls /nowhere", &["$ ls: /nowhere: ENOENT"]),
    ("cat empty data.txt", &["$ 0", "1", ANY, "999"]),
    (
        "run /hello a b",
        &[
            "$ hello from ring 3: 3 arguments",
            "  0: /hello",
            "  1: a",
            "  2: b",
        ],
    ),
    (
        "run /ending group 6",
        &["$ ending all", "process *: status 6"],
    ),
    (
        "run /fault write-kernel",
        &[
            "$ about to write-kernel",
            "kernel: process 4: *killed at*",
            "process 4: *",
        ],
    ),
    ("run /nothing", &["$ run: ENOENT"]),
    // Two processes may be in: the second of these waits for its admission.
    ("run /shares rr 2 &", &["$ process 5"]),
    ("run /shares rr 2 &", &["$ process 6"]),
    ("ps", &[ANY, "    6 * new *", ANY]),
    ("kill 5", &[]),
    ("kill 6", &[]),
    ("kill 99", &[ANY, "*kill: ESRCH"]),
    ("dance", &[ANY, "$ dance: no such command; try `help`"]),
    ("trace off", &[ANY, "$ trace: * spans sent"]),
    ("exit 7", &[ANY, "$ kernel: init exited with status 7"]),
];

/// Runs the script on a machine that has its archive, and checks everything.
pub(super) fn test(machine: Machine, dir: &Path) -> anyhow::Result<()> {
    let trace = dir.join("trace.json");
    let machine = machine
        .append("console=framed degree=2 init=/shell")
        .second_serial(&trace);
    let script: String = SCRIPT.iter().map(|(line, _)| format!("{line}\n")).collect();
    let mut console = Vec::new();
    let end = run::converse(
        &machine,
        move |mut pipe| {
            // A machine that is gone reads no more; its end says why.
            let _ = pipe.write_all(&stuff_input(script.as_bytes(), true));
        },
        |_, bytes| console.extend_from_slice(bytes),
    )?;
    let console = String::from_utf8_lossy(&console);
    let wanted: Vec<_> = SCRIPT
        .iter()
        .flat_map(|(_, lines)| *lines)
        .copied()
        .collect();
    if let Err(wrong) = expect::check(&console, &wanted) {
        bail!("{wrong} ({})\n--- console\n{console}---", end.machine);
    }
    ensure!(end.program == Some(7), "expected status 7, found {end:?}");
    let text = std::fs::read_to_string(&trace).context("the second serial line's file")?;
    check_trace(&text)
}

/// Checks that a chart is well formed and has a lane for each processor and for the shell.
fn check_trace(text: &str) -> anyhow::Result<()> {
    let trace: Value = serde_json::from_str(text).context("the trace is not JSON")?;
    let events = trace["traceEvents"].as_array().context("no traceEvents")?;
    let lane = |start: &str| {
        events
            .iter()
            .filter(|event| event["ph"] == "M")
            .find(|event| {
                let name = event["args"]["name"].as_str();
                name.is_some_and(|name| name.starts_with(start))
            })
            .map(|event| event["tid"].clone())
            .with_context(|| format!("no lane '{start}'"))
    };
    let spans = |lane: &Value| {
        events
            .iter()
            .filter(|event| event["ph"] == "X" && event["tid"] == *lane)
            .collect::<Vec<_>>()
    };
    lane("cpu 0")?;
    let shell = spans(&lane("thread ")?);
    for state in ["running", "waiting", "ready"] {
        ensure!(
            shell.iter().any(|span| span["name"] == state),
            "the shell's thread was never {state}"
        );
    }
    // The states follow one another without a gap.
    for pair in shell.windows(2) {
        let number = |value: &Value| value.as_f64().context("a time is no number");
        let end = number(&pair[0]["ts"])? + number(&pair[0]["dur"])?;
        let next = number(&pair[1]["ts"])?;
        ensure!(
            (end - next).abs() < 0.01,
            "a gap: {} then {}",
            pair[0],
            pair[1]
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_without_states_or_with_gaps_is_refused() {
        assert!(check_trace("{").is_err());
        assert!(check_trace(r#"{"traceEvents":[]}"#).is_err());
        let chart = |gap: u32| {
            format!(
                r#"{{"traceEvents":[
                {{"ph":"M","tid":0,"args":{{"name":"cpu 0"}}}},
                {{"ph":"M","tid":1,"args":{{"name":"thread 1"}}}},
                {{"ph":"X","tid":1,"name":"ready","ts":1.0,"dur":2.0}},
                {{"ph":"X","tid":1,"name":"running","ts":3.0,"dur":2.0}},
                {{"ph":"X","tid":1,"name":"waiting","ts":{},"dur":2.0}}]}}"#,
                5 + gap
            )
        };
        check_trace(&chart(0)).expect("a whole chart");
        assert!(check_trace(&chart(1)).is_err());
    }
}
