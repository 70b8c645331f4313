//! What does a fork-join cost, in a tree of a thousand nodes?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn fork_join(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::pools::SUITE, "tree1023");
}

criterion_group!(benches, fork_join);
criterion_main!(benches);
