//! What does a job cost that a worker queues?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn spawn_inside(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::pools::SUITE, "spawn_inside");
}

criterion_group!(benches, spawn_inside);
criterion_main!(benches);
