//! How soon does a job run on a pool that has just gone idle? The time is the median's.

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn wake(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::pools::SUITE, "wake_hot_p50");
}

criterion_group!(benches, wake);
criterion_main!(benches);
