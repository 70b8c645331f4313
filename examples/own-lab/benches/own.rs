//! Which model suits the books, by criterion: one group a workload.

use criterion::{Criterion, criterion_group, criterion_main};

fn own(criterion: &mut Criterion) {
    own_lab::lab().criterion(criterion);
}

criterion_group!(benches, own);
criterion_main!(benches);
