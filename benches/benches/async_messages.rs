//! How fast do tasks hand something over?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn async_messages(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::asyncs::SUITE, "ping_pong");
    subjects::bench(criterion, &benches::asyncs::SUITE, "mpsc_pairs");
}

criterion_group!(benches, async_messages);
criterion_main!(benches);
