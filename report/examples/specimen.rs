//! Writes a page that has every kind of content, for the browser's test: its figures and lanes are
//! made up, and say so.
//!
//! `cargo run --package report --example specimen [FILE]`

use std::error::Error;
use std::fmt::Write as _;

use record::{Conditions, Ground, Machine, Metric, Model, Report, Row, metric};
use report::{Page, Race, Topic, Trace};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1);
    let path = path.as_deref().unwrap_or("specimen.html");
    std::fs::write(path, page()?.to_html())?;
    println!("{path}");
    Ok(())
}

fn page() -> Result<Page, Box<dyn Error>> {
    let mut report = Report::new("made-up".into(), Machine::detect());
    for (bench, apart) in [("fib/18", 40.0), ("wordcount/64", 1.3)] {
        for ground in Ground::ALL {
            for (place, model) in Model::ALL.iter().enumerate() {
                if model.runs_on(*ground) {
                    report
                        .rows
                        .extend(rows(bench, *model, *ground, place, apart));
                }
            }
        }
    }
    for (part, metric, parameters, subjects) in LABS {
        for parameter in *parameters {
            for (place, subject) in subjects.iter().enumerate() {
                report
                    .rows
                    .push(lab_row(part, metric, *parameter, subject, place));
            }
        }
    }
    report.interrupted = true;
    let traces = [("pool-workstealing", 3), ("mini-executor", 7)];
    let mut race = Race::new("fib/18");
    for (model, step) in traces {
        race = race.run(model, Trace::from_json(&trace(step)?)?);
    }
    Ok(Page::new(report)
        .command("cargo run --package report --example specimen")
        .note("A specimen: every figure on this page is made up.")
        .topic(
            Topic::new("fib", "What does a fork-join cost?")
                .text("Each call forks in two, and the halves have next to nothing to do.")
                .chart(metric::INSTRUCTIONS.name),
        )
        .race(race))
}

/// The parts of the labs: the metric, the parameters and the subjects.
type Part = (
    &'static str,
    Metric,
    &'static [u64],
    &'static [&'static str],
);

const UNITS: &[&str] = &[
    "fork-exec",
    "fork",
    "thread",
    "kernel-bridge",
    "one-to-one",
    "pool-basic",
    "pool-basic-crossbeam",
    "pool-workstealing",
    "mini-executor",
    "rayon",
    "tokio",
    "pool-process",
];
const SIZES: &[u64] = &[8, 64, 512, 4096, 32_768, 262_144, 1_048_576];
const WAYS: &[&str] = &[
    "pipe",
    "local-socket",
    "tcp",
    "shared-ring",
    "message-queue",
    "file",
];
const SERVERS: &[&str] = &[
    "prefork",
    "thread-per-connection",
    "pool-basic",
    "pool-workstealing",
    "mini-executor",
    "tokio",
];

const LABS: &[Part] = &[
    (
        "create/time",
        metric::TIME,
        &[1, 100, 10_000, 1_000_000],
        UNITS,
    ),
    ("create/memory", metric::MEMORY, &[1, 100, 10_000], UNITS),
    ("create/calls", metric::SYSTEM_CALLS, &[100], UNITS),
    (
        "switch/token",
        metric::TIME,
        &[0],
        &["pipe", "futex", "yield"],
    ),
    (
        "switch/set",
        metric::TIME,
        &[4096, 65_536, 1_048_576, 16_777_216],
        &["processes", "threads", "tasks"],
    ),
    (
        "server/echo",
        metric::REQUESTS,
        &[100, 1_000, 10_000],
        SERVERS,
    ),
    (
        "server/echo",
        metric::LATENCY_P99,
        &[100, 1_000, 10_000],
        SERVERS,
    ),
    ("ipc/latency", metric::TIME, SIZES, WAYS),
    ("ipc/throughput", metric::THROUGHPUT, SIZES, WAYS),
    ("parallel/sum", metric::SPEED_UP, &[1, 2, 4], UNITS),
    ("mixed/late", metric::LATENCY_P99, &[2, 8], SERVERS),
    (
        "schedulers/waiting",
        metric::WAITING,
        &[0],
        &["fair", "round-robin", "priority", "lottery"],
    ),
];

/// A figure that grows with the parameter, faster for some than for others.
fn lab_row(part: &str, metric: &Metric, parameter: u64, subject: &str, place: usize) -> Row {
    // A part without a parameter.
    let bench = match parameter {
        0 => part.to_owned(),
        _ => format!("{part}/{parameter}"),
    };
    let is_too_much = matches!(subject, "fork" | "fork-exec") && parameter > 100;
    if is_too_much {
        return Row::missing(
            bench,
            metric,
            subject,
            "host",
            "only 100 processes are allowed",
        );
    }
    let growth = (parameter as f64 + 1.0).powf(0.1 + 0.08 * place as f64);
    let samples =
        (0..3).map(|n| (50.0 + 30.0 * place as f64) * growth * (1.0 + f64::from(n) * 0.06));
    Row::measured(bench, metric, subject, "host", samples.collect())
}

/// Figures that lie as far apart as asked for, with a straggler and one that is missing.
fn rows(bench: &str, model: Model, ground: Ground, place: usize, apart: f64) -> Vec<Row> {
    let base = 2e6 * apart.powf(place as f64 / Model::ALL.len() as f64);
    let samples = |scale: f64| -> Vec<f64> {
        (0..7)
            .map(|n| base * scale * (1.0 + f64::from(n * n % 5) * 0.012))
            .collect()
    };
    if model == Model::Tokio {
        let why = "killed after 30 s";
        return vec![Row::missing(
            bench,
            &metric::TIME,
            model.name(),
            ground.name(),
            why,
        )];
    }
    let busy = if model == Model::Rayon { 0.21 } else { 0.01 };
    let row = |metric, samples| Row::measured(bench, metric, model.name(), ground.name(), samples);
    let mut rows = vec![
        row(&metric::TIME, samples(1.0)).with_conditions(Conditions::of(&[busy], &[2_400.0])),
        row(&metric::VOLUNTARY_SWITCHES, vec![1_234.0; 7]),
    ];
    if ground == Ground::Kernel {
        rows.push(row(&metric::INSTRUCTIONS, vec![base.round(); 2]));
    }
    rows
}

/// A trace of two lanes with jobs, naps and thefts.
fn trace(step: u32) -> Result<String, std::fmt::Error> {
    let mut events = String::new();
    for lane in 0..2 {
        write!(
            events,
            r#"{{"ph":"M","pid":1,"tid":{lane},"name":"thread_name","args":{{"name":"worker {lane}"}}}},"#
        )?;
        for n in 0..60 * step {
            let (at, kind) = (n * 10 + lane * 3, (n / (2 * step) + lane) % 3);
            match kind {
                0 => write!(
                    events,
                    r#"{{"ph":"X","pid":1,"tid":{lane},"name":"park","ts":{at},"dur":10}},"#
                )?,
                _ => write!(
                    events,
                    r#"{{"ph":"X","pid":1,"tid":{lane},"name":"job","ts":{at},"dur":{}}},"#,
                    3 * kind + 1
                )?,
            }
        }
        write!(
            events,
            r#"{{"ph":"i","pid":1,"tid":{lane},"name":"steal","ts":5,"s":"t"}},"#
        )?;
    }
    events.pop();
    Ok(format!(r#"{{"traceEvents":[{events}]}}"#))
}
