use std::time::Duration;

use record::metric::{LATENCY_P99, TIME};
use record::{Metric, Model};

use super::*;

/// Figures of every model for one bench: those of the list, all others far behind.
fn rows(bench: &str, metric: &Metric, good: &[(Model, [f64; 3])]) -> Vec<Row> {
    let row = |model: &Model| {
        let listed = good.iter().find(|(one, _)| one == model);
        let samples = listed.map_or([9e9, 9.1e9, 9.2e9], |(_, samples)| *samples);
        Row::measured(bench, metric, model.name(), "host", samples.to_vec())
    };
    Model::ALL.iter().map(row).collect()
}

fn names(candidates: &[Candidate]) -> Vec<&'static str> {
    candidates
        .iter()
        .map(|candidate| candidate.name())
        .collect()
}

const PARALLEL: Wishes = Wishes {
    isolation: false,
    cpu_bound: false,
    parallel: true,
    waits: None,
    blocking: false,
    latency_target: None,
};

#[test]
fn the_figures_decide_and_are_told() {
    for (winner, second) in [
        (Model::Rayon, Model::Tokio),
        (Model::OneToOne, Model::Rayon),
    ] {
        let rows = rows(
            "fib/18",
            &TIME,
            &[
                (winner, [1e6, 1.01e6, 1.02e6]),
                (second, [2e6, 2.01e6, 2.02e6]),
            ],
        );
        let advice = decide(&PARALLEL, &rows);
        assert_eq!(names(&advice.best), [winner.name()]);
        assert_eq!(names(&advice.next), [second.name()]);
        let reason = &advice.reasons[0];
        assert!(
            reason.contains("1.01 ms (1.00–1.02 ms)") && reason.contains("2.01 ms"),
            "{reason}"
        );
    }
}

#[test]
fn those_that_cannot_be_told_apart_are_advised_together() {
    let near = [
        (Model::Rayon, [1.0, 1.1, 1.2]),
        (Model::PoolWorkstealing, [1.1, 1.2, 1.3]),
        (Model::Tokio, [5.0, 5.1, 5.2]),
    ];
    let advice = decide(&PARALLEL, &rows("fib/18", &TIME, &near));
    assert_eq!(names(&advice.best), ["pool-workstealing", "rayon"]);
    assert_eq!(names(&advice.next), ["tokio"]);
}

#[test]
fn without_a_figure_there_is_no_verdict() {
    let advice = decide(&PARALLEL, &[]);
    assert!(advice.best.is_empty() && advice.next.is_empty() && advice.reasons.is_empty());
    assert_eq!(advice.unmeasured.len(), 1, "{advice:?}");
    let missing = [Row::missing(
        "fib/18",
        &TIME,
        "rayon",
        "host",
        "killed after 10 s",
    )];
    assert_eq!(decide(&PARALLEL, &missing).unmeasured.len(), 1);
}

#[test]
fn who_has_no_figure_is_out_with_its_reason() {
    let mut rows = rows(
        "fib/18",
        &TIME,
        &[
            (Model::Rayon, [1.0, 1.0, 1.0]),
            (Model::Tokio, [2.0, 2.0, 2.0]),
        ],
    );
    let at = rows
        .iter()
        .position(|row| row.subject == "rayon")
        .expect("its row");
    rows[at] = Row::missing("fib/18", &TIME, "rayon", "host", "killed after 10 s");
    let advice = decide(&PARALLEL, &rows);
    assert_eq!(names(&advice.best), ["tokio"]);
    assert!(
        advice
            .out
            .iter()
            .any(|out| out.contains("rayon") && out.contains("killed after 10 s")),
        "{advice:?}"
    );
}

#[test]
fn several_wishes_weigh_alike() {
    let wishes = Wishes {
        waits: Some(Waits::Few),
        ..PARALLEL
    };
    // One is three times worse here, the other one twice there.
    let mut all = rows(
        "fib/18",
        &TIME,
        &[(Model::Rayon, [1.0; 3]), (Model::Tokio, [3.0; 3])],
    );
    all.extend(rows(
        "ping-pong/1000",
        &TIME,
        &[(Model::Rayon, [2.0; 3]), (Model::Tokio, [1.0; 3])],
    ));
    let advice = decide(&wishes, &all);
    assert_eq!(names(&advice.best), ["rayon"]);
    assert_eq!(names(&advice.next), ["tokio"]);
    let change = advice
        .changes
        .iter()
        .find(|change| change.starts_with("if only the number of waits"));
    assert!(
        change.expect("a change").contains("tokio"),
        "{:?}",
        advice.changes
    );
    assert!(
        !advice
            .changes
            .iter()
            .any(|change| change.starts_with("if only parallel")),
        "{:?}",
        advice.changes
    );
}

#[test]
fn a_target_puts_out_whoever_misses_it_for_certain() {
    let wishes = |target| Wishes {
        parallel: false,
        latency_target: Some(target),
        ..PARALLEL
    };
    let figures = [
        (Model::Tokio, [1e6, 1.1e6, 1.2e6]),
        (Model::Rayon, [4e6, 5e6, 6e6]),
    ];
    let rows = rows("mixed/compute", &LATENCY_P99, &figures);
    let advice = decide(&wishes(Duration::from_millis(5)), &rows);
    assert_eq!(
        (names(&advice.best), names(&advice.next)),
        (vec!["tokio"], vec!["rayon"])
    );
    let advice = decide(&wishes(Duration::from_millis(2)), &rows);
    assert!(advice.next.is_empty(), "{advice:?}");
    // Nobody reaches that, and it is not made easier in silence.
    let advice = decide(&wishes(Duration::from_micros(1)), &rows);
    assert!(advice.best.is_empty(), "{advice:?}");
    assert!(
        advice
            .out
            .iter()
            .any(|out| out.contains("tokio: 1.10 ms instead of 1.00 µs")),
        "{:?}",
        advice.out
    );
}

#[test]
fn a_target_that_nobody_reaches_is_answered_with_one_that_somebody_does() {
    let wishes = Wishes {
        parallel: false,
        latency_target: Some(Duration::from_micros(1)),
        ..PARALLEL
    };
    let figures = [(Model::Tokio, [1e6, 1.1e6, 1.2e6])];
    let advice = decide(&wishes, &rows("mixed/compute", &LATENCY_P99, &figures));
    assert!(advice.best.is_empty());
    let change = advice.changes.first().expect("a change");
    assert!(
        change.starts_with("with 1.10 ms instead: tokio"),
        "{change}"
    );
}

#[test]
fn a_median_beyond_the_target_is_said_to_be() {
    // Its interval reaches the target, so it is not out for certain.
    let wishes = Wishes {
        parallel: false,
        latency_target: Some(Duration::from_millis(1)),
        ..PARALLEL
    };
    let figures = [(Model::Tokio, [0.9e6, 1.1e6, 1.2e6])];
    let advice = decide(&wishes, &rows("mixed/compute", &LATENCY_P99, &figures));
    assert_eq!(names(&advice.best), ["tokio"]);
    let reason = &advice.reasons[0];
    assert!(reason.contains("and 1.00 ms were asked for"), "{reason}");
}

#[test]
fn the_best_way_to_use_a_model_counts_and_is_named() {
    let wishes = Wishes {
        parallel: false,
        blocking: true,
        ..PARALLEL
    };
    let figures = [(Model::Rayon, [5e6; 3]), (Model::MiniExecutor, [8e6; 3])];
    let mut all = rows("mixed/blocking", &LATENCY_P99, &figures);
    let way = |name: &str, ns: f64| {
        Row::measured("mixed/blocking", &LATENCY_P99, name, "host", vec![ns; 3])
    };
    all.push(way("mini-executor-unblock", 1e6));
    all.push(way("mini-executor-in-place", 2e6));
    // Another program's own calls are no way to use the model through the handle.
    all.push(way("rayon-native", 1e3));
    let advice = decide(&wishes, &all);
    assert_eq!(names(&advice.best), ["mini-executor"]);
    let reason = &advice.reasons[0];
    assert!(reason.contains("mini-executor-unblock 1.00 ms"), "{reason}");
    assert!(!reason.contains("in-place"), "{reason}");
}

#[test]
fn isolation_is_a_property_and_its_price_is_a_figure() {
    let wishes = Wishes {
        isolation: true,
        parallel: false,
        ..PARALLEL
    };
    let advice = decide(&wishes, &[]);
    assert_eq!(names(&advice.best), ["pool-process"]);
    assert_eq!(
        (advice.reasons.len(), advice.unmeasured.len()),
        (0, 1),
        "no figure, and it says so"
    );
    let row = Row::measured(
        "create/time/1",
        &TIME,
        "pool-process",
        "host",
        vec![3e4, 3e4],
    );
    let advice = decide(&wishes, &[row]);
    assert!(advice.reasons[0].contains("30.00 µs"), "{advice:?}");
}

#[test]
fn wishes_that_only_one_could_fulfil_are_not_measured_away() {
    // Whoever isolates has no fork-join: it stays, and what is not known is said.
    let wishes = Wishes {
        isolation: true,
        ..PARALLEL
    };
    let rows = rows("fib/18", &TIME, &[(Model::Rayon, [1.0; 3])]);
    let advice = decide(&wishes, &rows);
    assert_eq!(names(&advice.best), ["pool-process"]);
    assert!(
        advice.unmeasured.iter().any(|text| text.contains("fib")),
        "{advice:?}"
    );
    let change = advice
        .changes
        .iter()
        .find(|change| change.starts_with("if only parallel"));
    assert!(
        change.expect("a change").contains("rayon"),
        "{:?}",
        advice.changes
    );
}

#[test]
fn a_wish_more_is_told_where_it_would_change_the_answer() {
    let mut all = rows(
        "fib/18",
        &TIME,
        &[(Model::Rayon, [1.0; 3]), (Model::Tokio, [1.5; 3])],
    );
    all.extend(rows(
        "mixed/blocking",
        &LATENCY_P99,
        &[(Model::Rayon, [9.0; 3]), (Model::Tokio, [1.0; 3])],
    ));
    let advice = decide(&PARALLEL, &all);
    assert_eq!(names(&advice.best), ["rayon"]);
    let change = advice
        .changes
        .iter()
        .find(|change| change.starts_with("with blocking calls too"));
    assert!(
        change.expect("a change").contains("tokio"),
        "{:?}",
        advice.changes
    );
}
