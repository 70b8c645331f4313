//! The suites as their driver runs them, by processes of the lab: every subject gives a figure, whose
//! answers are checked on the way, and a wrong command line is answered with what would be right, before
//! anything is measured.

use std::process::{Command, Output};

use benches::bars::{Bench, Figure, Suite};
use benches::{asyncs, processes};

fn lab(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command
        .args(words)
        .output()
        .expect("the lab can be started")
}

/// Takes the figure of each subject of a bench.
fn check(suite: &Suite, bench: &Bench, is_good: impl Fn(&Figure) -> bool) {
    for subject in bench.subjects {
        // A program of its own: workers come in by its `main`, and a server's load is the same program.
        let words = ["figure", suite.name, bench.name, subject.name];
        let output = lab(&[&words[..], &["--cpus", "2", "--quick"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let figure = Figure::from_line(text.trim());
        let good = figure.is_some_and(|figure| figure.wall_ns > 0.0 && is_good(&figure));
        assert!(
            output.status.success() && good,
            "{} of {}: {output:?}",
            bench.name,
            subject.name
        );
    }
}

#[test]
fn every_subject_of_the_processes_gives_a_figure() {
    for bench in processes::SUITE.benches {
        check(&processes::SUITE, bench, |_| true);
    }
}

#[test]
fn every_server_gives_its_figures() {
    // The first bench of each list takes the samples of the others.
    let suite = &asyncs::SUITE;
    let first = suite.shared.iter().filter_map(|list| list.first());
    for name in first {
        // hyper's are left out of a program without the peers, and so are they here.
        for bench in suite.benches.iter().filter(|one| one.name == *name) {
            check(suite, bench, |figure| {
                let tail = figure.tail_ns.is_some_and(|tail| tail > 0.0);
                figure.cpu_ns > 0.0 && tail
            });
        }
    }
}

#[test]
fn an_unknown_bench_is_answered_with_the_list() {
    for (suite, valid) in [
        ("pools", "fib32, tree1023"),
        ("bars", "spawn_outside_24B"),
        ("processes", "process_round_trip, process_jobs_at_once"),
        ("async", "spawn_await_outside, spawn_await_inside"),
    ] {
        let output = lab(&[suite, "--only", "nothing"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(valid), "{stderr}");
    }
}
