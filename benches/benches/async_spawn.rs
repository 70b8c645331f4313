//! What does a task cost to spawn and to await, from outside and from a task?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn async_spawn(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::asyncs::SUITE, "spawn_await_outside");
    subjects::bench(criterion, &benches::asyncs::SUITE, "spawn_await_inside");
}

criterion_group!(benches, async_spawn);
criterion_main!(benches);
