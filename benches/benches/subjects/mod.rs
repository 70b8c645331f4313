//! One criterion group a question of the lab, one function a subject.

use benches::bars::Suite;
use benches::pools::RAYON_ON_OURS;
use criterion::{Criterion, Throughput};

/// Lets criterion measure every subject of a bench of the lab, in this one process.
pub(crate) fn bench(criterion: &mut Criterion, suite: &Suite, name: &str) {
    let bench = suite
        .benches
        .iter()
        .find(|bench| bench.name == name)
        .expect("the lab has the bench");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    // Another program measures that one: it is built with another core.
    let here = |subject: &&benches::bars::Subject| subject.name != RAYON_ON_OURS;
    for subject in bench.subjects.iter().filter(here) {
        group.bench_function(subject.name, |bencher| {
            bencher.iter_custom(|jobs| subject.time(cpus, jobs).expect(subject.name));
        });
    }
    group.finish();
}
