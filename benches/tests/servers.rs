//! Every server of the async suite gives its figures; its answers are checked on the way.

use std::process::Command;

use benches::asyncs::SUITE;
use benches::bars::Figure;

#[test]
fn every_server_gives_its_figures() {
    // The first bench of each list takes the samples of the others.
    let first = SUITE.shared.iter().filter_map(|list| list.first());
    for bench in first {
        // hyper's are left out of a program without the peers, and so are they here.
        let bench = SUITE.benches.iter().find(|one| one.name == *bench);
        for subject in bench.iter().flat_map(|bench| bench.subjects) {
            let name = bench.map_or("", |bench| bench.name);
            // A program of its own: the load is the same program.
            let output = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(["figure", SUITE.name, name, subject.name])
                .args(["--cpus", "2", "--quick"])
                .output()
                .expect("the lab can be started");
            let text = String::from_utf8_lossy(&output.stdout);
            let good = Figure::from_line(text.trim()).is_some_and(|figure| {
                let tail = figure.tail_ns.is_some_and(|tail| tail > 0.0);
                figure.wall_ns > 0.0 && figure.cpu_ns > 0.0 && tail
            });
            assert!(
                output.status.success() && good,
                "{name} of {}: {output:?}",
                subject.name
            );
        }
    }
}
