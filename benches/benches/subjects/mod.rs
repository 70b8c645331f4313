//! One criterion group a question of the lab, one function a subject.

use benches::bars::SUITE;
use criterion::{Criterion, Throughput};

/// Lets criterion measure every subject of a bench of the lab.
pub(crate) fn bench(criterion: &mut Criterion, name: &str) {
    let bench = SUITE
        .benches
        .iter()
        .find(|bench| bench.name == name)
        .expect("the lab has the bench");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for subject in bench.subjects {
        group.bench_function(subject.name, |bencher| {
            bencher.iter_custom(|jobs| subject.time(cpus, jobs).expect(subject.name));
        });
    }
    group.finish();
}
