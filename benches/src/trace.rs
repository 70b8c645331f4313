//! One recorded run: what a model's workers did, as a trace.
//!
//! # Protocol
//! The model runs the program once without recording, as a sample does, so that threads and pages
//! are there; the second run is recorded. Recording takes time, so no figure is taken from it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use exec_core::{Executor, Handle};
use flight_recorder::Recording;
use mini_executor::Runtime;
use record::Model;
use workloads::Workload;

/// Events that each worker keeps, the newest: 16 bytes each.
const CAPACITY: usize = 1 << 16;

/// Runs a program under a model and returns what its workers did in the second run.
///
/// # Errors
/// Where the model has no recorder or can't be built, the program could not be run, or an answer
/// was wrong.
///
/// # Blocking
/// Until both runs have ended.
pub fn take(
    model: Model,
    workload: Workload,
    param: u64,
    cpus: usize,
    text: &[u8],
) -> anyhow::Result<Recording> {
    let expected = workload.serial(param, text);
    record(model, cpus, |handle| {
        let answer = workload.run(handle, param, text);
        let answer = answer.map_err(|error| anyhow!("the program could not be run: {error}"))?;
        ensure!(
            answer == expected,
            "wrong answer: {answer:#x} instead of {expected:#x}"
        );
        Ok(())
    })
}

/// Runs something under a model, twice, and returns what the workers did in the second run.
///
/// # Errors
/// Where the model has no recorder or can't be built, or a run fails.
///
/// # Blocking
/// Until both runs have ended.
pub fn record(
    model: Model,
    cpus: usize,
    run: impl Fn(&Handle) -> anyhow::Result<()>,
) -> anyhow::Result<Recording> {
    match model {
        Model::PoolWorkstealing => second_run(
            Handle::new(pool_workstealing::ThreadPool::new(cpus)?),
            |pool| pool.start_recording(CAPACITY),
            pool_workstealing::ThreadPool::stop_recording,
            run,
        ),
        Model::MiniExecutor => second_run(
            Handle::new(Runtime::builder().workers(cpus).build()?),
            |runtime| runtime.start_recording(CAPACITY),
            Runtime::stop_recording,
            run,
        ),
        other => bail!("{other} has no flight recorder"),
    }
}

/// Writes what was recorded, for Perfetto.
///
/// # Errors
/// Where the file can't be written.
pub fn write(recording: &Recording, path: &Path) -> anyhow::Result<()> {
    let written =
        File::create(path).and_then(|file| recording.write_chrome_trace(BufWriter::new(file)));
    written.with_context(|| format!("could not write {}", path.display()))
}

fn second_run<E: Executor>(
    handle: Handle<E>,
    start: impl FnOnce(&E),
    stop: impl FnOnce(&E) -> Recording,
    run: impl Fn(&Handle) -> anyhow::Result<()>,
) -> anyhow::Result<Recording> {
    let any = handle.clone().into_dyn();
    run(&any)?;
    start(handle.executor());
    let outcome = run(&any);
    let recording = stop(handle.executor());
    outcome.map(|()| recording)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_a_recorder_record_and_the_others_say_so() {
        for &model in Model::ALL {
            let taken = take(model, Workload::SpawnJoin, 200, 2, &[]);
            if Model::WITH_RECORDER.contains(&model) {
                let recording = taken.expect("a recording");
                assert!(!recording.is_empty(), "{model}: {recording:?}");
            } else {
                let error = taken.expect_err("nothing to record with").to_string();
                assert!(error.contains("no flight recorder"), "{error}");
            }
        }
    }
}
