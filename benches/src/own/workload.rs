//! A workload: a closure whose result is of no interest but for being the same under every model.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use record::{Model, Reading};

use crate::experiments::{Region, timed};
use crate::{Handle, model};

/// Runs are repeated until they take this long together: one of some microseconds would measure the
/// wake-ups of the first job.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// So often at the most.
const MOST: u64 = 1_000_000;

/// Runs the closure so often, and tells what it took and the last result's fingerprint.
type Program = Arc<dyn Fn(&Handle, u64) -> (u64, Region) + Send + Sync>;

/// A closure and its name.
#[derive(Clone)]
pub(super) struct Workload {
    pub(super) name: String,
    program: Program,
}

impl Workload {
    pub(super) fn new<T: Hash>(
        name: String,
        run: impl Fn(&Handle) -> T + Send + Sync + 'static,
    ) -> Self {
        let program = move |handle: &Handle, runs: u64| {
            let (last, region) = timed(|| {
                for _ in 1..runs {
                    black_box(run(handle));
                }
                run(handle)
            });
            (fingerprint(&last), region)
        };
        Self {
            name,
            program: Arc::new(program),
        }
    }

    /// Runs it once.
    pub(super) fn once(&self, handle: &Handle) -> u64 {
        (self.program)(handle, 1).0
    }

    /// Runs it so often, and tells how long that took.
    #[cfg(feature = "criterion")]
    pub(super) fn time(&self, handle: &Handle, runs: u64) -> Duration {
        (self.program)(handle, runs).1.time
    }

    /// Takes its figures under a model: warm for the first run, and as often as it takes for the
    /// second.
    ///
    /// # Errors
    /// Where the model can't be built, or a run has not the answer of the one before.
    pub(super) fn measure(&self, model: Model, cpus: usize) -> anyhow::Result<Reading> {
        let handle = model::build(model, cpus)?;
        self.once(&handle);
        let (answer, once) = (self.program)(&handle, 1);
        let share = LONG_ENOUGH.as_nanos() / once.time.as_nanos().max(1);
        let runs = u64::try_from(share).unwrap_or(MOST).clamp(1, MOST);
        let (again, region) = (self.program)(&handle, runs);
        ensure!(
            again == answer,
            "two runs under {model} have two answers: {answer:#x} and {again:#x}"
        );
        Ok(region.a_unit(runs).with_answer(answer))
    }
}

/// The same for equal results of the same program, in whatever process.
fn fingerprint(result: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    result.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_short_run_is_repeated_and_answered() {
        let runs = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&runs);
        let workload = Workload::new("w".into(), move |handle: &Handle| {
            counted.fetch_add(1, Ordering::Relaxed);
            handle.spawn(|| 6 * 7).join().expect("it runs")
        });
        let reading = workload.measure(Model::PoolBasic, 1).expect("measured");
        assert_eq!(reading.answer, Some(fingerprint(&42)));
        assert!(runs.load(Ordering::Relaxed) > 3, "{reading:?}");
        let (name, time) = &reading.figures[0];
        assert!(name == "time" && *time > 0.0, "{reading:?}");
    }

    #[test]
    fn an_answer_that_changes_is_no_answer() {
        let runs = AtomicU64::new(0);
        let workload = Workload::new("w".into(), move |_: &Handle| {
            runs.fetch_add(1, Ordering::Relaxed)
        });
        let error = workload.measure(Model::PoolBasic, 1).expect_err("counts");
        assert!(error.to_string().contains("two answers"), "{error}");
    }
}
