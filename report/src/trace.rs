//! Reading a trace back: the lanes of one model's run, from Chrome's trace format.
//!
//! The page reads the very files that Perfetto opens, so both show the same run, whoever wrote
//! it: a pool's flight recorder, the executor's, the kernel's. The kernel's lanes of threads have
//! states: one that runs is busy, one that waits or is stopped is asleep, one that is ready is
//! neither.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What one model did, lane by lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The lanes in the order of their numbers.
    pub lanes: Vec<Lane>,
}

/// What one worker did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// When it worked: start and end in microseconds, in order, apart from each other.
    pub busy: Vec<(f64, f64)>,
    /// When it slept, likewise.
    pub asleep: Vec<(f64, f64)>,
    /// How many jobs it has run that are in the trace.
    pub jobs: usize,
    /// How often it took something from another lane.
    pub steals: usize,
    /// How often it woke another lane.
    pub wakes: usize,
}

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be read.
    #[error("could not read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no trace.
    #[error("not a trace: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    ph: String,
    tid: u64,
    name: String,
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    args: BTreeMap<String, serde_json::Value>,
}

impl Trace {
    /// Reads a trace from a file.
    ///
    /// # Errors
    /// [`ReadError`]; that of a file names it.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let text = fs::read_to_string(path).map_err(|source| ReadError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::from_json(&text)
    }

    /// Reads a trace from text.
    ///
    /// # Errors
    /// [`ReadError::Json`].
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let file: File = serde_json::from_str(text)?;
        let mut lanes: BTreeMap<u64, Lane> = BTreeMap::new();
        for event in &file.events {
            let lane = lanes.entry(event.tid).or_default();
            let span = (event.ts, event.ts + event.dur);
            match (event.ph.as_str(), event.name.as_str()) {
                ("M", "thread_name") => {
                    let name = event.args.get("name").and_then(|name| name.as_str());
                    lane.name = name.unwrap_or_default().to_owned();
                }
                ("X", "park" | "waiting" | "stopped") => lane.asleep.push(span),
                ("X", "new" | "ready") => {}
                ("X", name) => {
                    lane.jobs += usize::from(matches!(name, "job" | "stolen half"));
                    lane.busy.push(span);
                }
                ("i", "steal") => lane.steals += 1,
                ("i", "wake") => lane.wakes += 1,
                _ => {}
            }
        }
        let lanes = lanes
            .into_values()
            .map(|mut lane| {
                lane.asleep = union(lane.asleep);
                // A job that waits for another lane may sleep in between.
                lane.busy = without(&union(lane.busy), &lane.asleep);
                lane
            })
            .collect();
        Ok(Self { lanes })
    }

    /// When the first and the last thing happened; `None` where nothing did.
    #[must_use]
    pub fn ends(&self) -> Option<(f64, f64)> {
        let spans = self
            .lanes
            .iter()
            .flat_map(|lane| lane.busy.iter().chain(&lane.asleep));
        spans
            .copied()
            .reduce(|(start, end), (a, b)| (start.min(a), end.max(b)))
    }
}

/// The share of a window that spans fill.
#[must_use]
pub fn share(spans: &[(f64, f64)], from: f64, to: f64) -> f64 {
    let first = spans.partition_point(|(_, end)| *end <= from);
    let inside = spans[first..].iter().take_while(|(start, _)| *start < to);
    let filled: f64 = inside
        .map(|(start, end)| end.min(to) - start.max(from))
        .sum();
    // An empty sum is -0, and would be printed so.
    if to > from {
        filled.abs() / (to - from)
    } else {
        0.0
    }
}

/// Sorts spans and makes one of those that touch.
fn union(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut apart: Vec<(f64, f64)> = Vec::new();
    for (start, end) in spans {
        match apart.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => apart.push((start, end)),
        }
    }
    apart
}

/// What of some spans is outside of others; both are in order and apart.
fn without(spans: &[(f64, f64)], others: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut left = Vec::new();
    for &(mut start, end) in spans {
        let first = others.partition_point(|other| other.1 <= start);
        for other in others[first..].iter().take_while(|other| other.0 < end) {
            if other.0 > start {
                left.push((start, other.0));
            }
            start = start.max(other.1);
        }
        if start < end {
            left.push((start, end));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"{"displayTimeUnit":"ns","traceEvents":[
        {"ph":"M","pid":1,"tid":0,"name":"thread_name","args":{"name":"worker 0"}},
        {"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"worker 1"}},
        {"pid":1,"tid":0,"name":"job","ts":10.000,"ph":"X","dur":30.000},
        {"pid":1,"tid":0,"name":"job","ts":12.000,"ph":"X","dur":8.000,"args":{"job":3}},
        {"pid":1,"tid":0,"name":"park","ts":20.000,"ph":"X","dur":5.000},
        {"pid":1,"tid":1,"name":"steal","ts":11.000,"ph":"i","s":"t","args":{"from":0}},
        {"pid":1,"tid":1,"name":"stolen half","ts":11.500,"ph":"X","dur":1.500}
    ]}"#;

    #[test]
    fn lanes_have_what_they_did() {
        let trace = Trace::from_json(TRACE).expect("a trace");
        assert_eq!(trace.lanes.len(), 2);
        let [first, second] = &trace.lanes[..] else {
            unreachable!("two lanes")
        };
        assert_eq!((first.name.as_str(), first.jobs), ("worker 0", 2));
        assert_eq!(first.busy, [(10.0, 20.0), (25.0, 40.0)]);
        assert_eq!(first.asleep, [(20.0, 25.0)]);
        assert_eq!((second.steals, second.jobs), (1, 1));
        assert_eq!(trace.ends(), Some((10.0, 40.0)));
    }

    #[test]
    fn a_thread_that_is_ready_is_neither_busy_nor_asleep() {
        let states = r#"{"traceEvents":[
            {"pid":1,"tid":0,"name":"waiting","ts":0.000,"ph":"X","dur":4.000},
            {"pid":1,"tid":0,"name":"ready","ts":4.000,"ph":"X","dur":3.000},
            {"pid":1,"tid":0,"name":"running","ts":7.000,"ph":"X","dur":2.000}
        ]}"#;
        let trace = Trace::from_json(states).expect("a trace");
        assert_eq!(trace.lanes[0].asleep, [(0.0, 4.0)]);
        assert_eq!(trace.lanes[0].busy, [(7.0, 9.0)]);
    }

    #[test]
    fn a_window_is_filled_by_what_is_inside() {
        let spans = [(0.0, 1.0), (2.0, 6.0)];
        assert_eq!(share(&spans, 0.0, 4.0), 0.75);
        assert_eq!(share(&spans, 7.0, 9.0), 0.0);
        assert_eq!(share(&spans, 3.0, 5.0), 1.0);
        assert_eq!(share(&spans, 3.0, 3.0), 0.0);
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        assert!(matches!(Trace::from_json("{"), Err(ReadError::Json(_))));
        assert_eq!(
            Trace::from_json(r#"{"traceEvents":[]}"#)
                .expect("empty")
                .ends(),
            None
        );
        let error = Trace::read(Path::new("/nonexistent/trace.json")).expect_err("no file");
        assert!(
            error.to_string().contains("/nonexistent/trace.json"),
            "{error}"
        );
    }
}
