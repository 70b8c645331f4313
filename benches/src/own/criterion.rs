//! One criterion group a workload, one function a model.

use criterion::Criterion;

use super::Lab;
use crate::model;

impl Lab {
    /// Lets criterion measure: one benchmark group for each workload, in it one function for each model.
    ///
    /// Criterion measures in this process, one model after another; [`run`](Lab::run) starts fresh ones,
    /// in turns, and its files are not written here.
    ///
    /// # Panics
    /// Where a model can't be built, or a workload's answer is not that of the first model.
    ///
    /// # Blocking
    /// Until everything is measured.
    ///
    /// # Examples
    /// ```no_run
    /// use benches::{Handle, Lab};
    /// use criterion::{Criterion, criterion_group, criterion_main};
    ///
    /// fn own(criterion: &mut Criterion) {
    ///     Lab::new()
    ///         .workload("answer", |handle: &Handle| handle.spawn(|| 6 * 7).join().expect("no panic"))
    ///         .criterion(criterion);
    /// }
    ///
    /// criterion_group!(benches, own);
    /// criterion_main!(benches);
    /// ```
    pub fn criterion(&self, criterion: &mut Criterion) {
        let cpus = self.workers();
        for workload in &self.workloads {
            let mut group = criterion.benchmark_group(&workload.name);
            let mut expected = None;
            for model in &self.models {
                let handle = model::build(*model, cpus)
                    .unwrap_or_else(|error| panic!("{model} can't be built: {error:#}"));
                let answer = workload.once(&handle);
                assert_eq!(
                    *expected.get_or_insert(answer),
                    answer,
                    "{} under {model} has another answer than under {}",
                    workload.name,
                    self.models[0]
                );
                group.bench_function(model.name(), |bencher| {
                    bencher.iter_custom(|runs| workload.time(&handle, runs.max(1)));
                });
            }
            group.finish();
        }
    }
}
