//! Every subject of the suite of processes gives a figure; its answers are checked on the way.

use std::process::Command;

use benches::bars::Figure;
use benches::processes::SUITE;

#[test]
fn every_subject_gives_a_figure() {
    for bench in SUITE.benches {
        for subject in bench.subjects {
            // A program of its own: workers come in by its `main`.
            let output = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(["figure", SUITE.name, bench.name, subject.name])
                .args(["--cpus", "2", "--quick"])
                .output()
                .expect("the lab can be started");
            let text = String::from_utf8_lossy(&output.stdout);
            let figure = Figure::from_line(text.trim());
            let good = figure.is_some_and(|figure| figure.wall_ns > 0.0);
            assert!(
                output.status.success() && good,
                "{}: {output:?}",
                subject.name
            );
        }
    }
}
