//! The trace is JSON that says what was recorded, whatever the names are.

use flight_recorder::{Entry, Event, Recording, Ring};
use serde_json::Value;

fn events(recording: &Recording) -> Vec<Value> {
    let mut written = Vec::new();
    recording
        .write_chrome_trace(&mut written)
        .expect("a vector takes everything");
    assert_eq!(written, recording.to_chrome_trace().into_bytes());
    let trace: Value = serde_json::from_slice(&written).expect("valid JSON");
    trace["traceEvents"].as_array().expect("a list").clone()
}

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["name"] == name)
        .collect()
}

#[test]
fn events_from_elsewhere_become_spans_and_moments() {
    let mut recording = Recording::new();
    recording.lane("cpu 0", [], &[]);
    let lane = recording.lane(
        "cpu 1",
        [
            Entry::new(500, Event::ParkEnd, 0),
            Entry::new(1_000, Event::JobStart, 7),
            Entry::new(1_200, Event::Steal, 0),
            Entry::new(1_300, Event::Wake, 3),
            Entry::new(1_400, Event::StateStart, 1),
            Entry::new(1_900, Event::StateEnd, 1),
            Entry::new(4_001, Event::JobEnd, 0),
            Entry::new(4_100, Event::Mark, 0),
            Entry::new(4_200, Event::ParkStart, 0),
            Entry::new(5_000, Event::Mark, 9),
        ],
        &["interrupt", "in a system call"],
    );
    assert_eq!(lane, 1);
    let events = events(&recording);
    let job = named(&events, "job")[0];
    assert_eq!(
        (job["tid"].as_u64(), job["ts"].as_f64()),
        (Some(1), Some(1.0))
    );
    assert_eq!(job["dur"].as_f64(), Some(3.001));
    assert_eq!(job["args"]["job"], 7);
    assert_eq!(named(&events, "steal")[0]["args"]["from"], 0);
    assert_eq!(named(&events, "wake")[0]["args"]["to"], 3);
    assert_eq!(
        named(&events, "in a system call")[0]["dur"].as_f64(),
        Some(0.5)
    );
    assert_eq!(named(&events, "interrupt")[0]["ph"], "i");
    assert_eq!(named(&events, "state").len(), 1, "a name that is not there");
    let park = named(&events, "park");
    assert_eq!(park.len(), 1, "an end without a start is no span");
    assert_eq!(park[0]["dur"].as_f64(), Some(0.8), "until the last event");
    assert_eq!(recording.longest_jobs()[1].as_nanos(), 3_001);
}

#[test]
fn a_lane_may_be_called_anything() {
    let name = "quote \" slash \\ line \n nul \0 é 漢";
    let mut recording = Recording::new();
    recording.lane(name, [], &[]);
    assert_eq!(events(&recording)[0]["args"]["name"], name);
    assert!(events(&Recording::new()).is_empty());
}

#[test]
fn rings_become_the_lanes_of_workers() {
    let rings = [Ring::new(), Ring::new()];
    rings[1].begin(16);
    rings[1].write(1, Event::JobStart, 0);
    rings[1].write(2, Event::JobEnd, 0);
    let recording = Recording::of(&rings);
    assert_eq!(recording.len(), 1);
    let events = events(&recording);
    assert_eq!(events[1]["args"]["name"], "worker 1");
    assert_eq!(events[2]["tid"], 1);
}
