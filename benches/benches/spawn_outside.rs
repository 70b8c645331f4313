//! What does a job cost that a thread outside the pool queues?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn spawn_outside(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::bars::SUITE, "spawn_outside_24B");
}

criterion_group!(benches, spawn_outside);
criterion_main!(benches);
