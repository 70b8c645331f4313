//! What does it cost to let another task run?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn yields(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::asyncs::SUITE, "yield_many");
}

criterion_group!(benches, yields);
criterion_main!(benches);
