//! What does a spawn through the trait cost, beside the model's own?

use criterion::{Criterion, criterion_group, criterion_main};

mod subjects;

fn trait_cost(criterion: &mut Criterion) {
    subjects::bench(criterion, &benches::bars::SUITE, "trait_cost");
}

criterion_group!(benches, trait_cost);
criterion_main!(benches);
