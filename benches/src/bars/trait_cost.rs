//! What the trait costs: the same jobs through `Handle::spawn` of a `Handle<dyn Executor>`
//! and through the model's own spawn, spawned and joined.
//!
//! Judged by CPU time: the trait is work, not waiting, and both sides do the same waiting.
//!
//! A model's own spawn is what its users would call without this family: `std::thread` for
//! one thread a job. Jobs are spawned in one go and then joined in order, so that what is
//! timed is the spawning and not the wake-ups of a joiner that is ahead of the workers.

use std::collections::VecDeque;

use exec_core::{Handle, JoinHandle};
use mini_executor::Runtime;
use record::Model;
use workloads::mix::mix;

use super::{Bar, Bench, Figure, Judged, Measure, PER_JOB, Subject};
use crate::model;
use crate::usage::Mark;

/// Jobs of a sample on a model that queues them.
const QUEUED: u64 = 200_000;

/// Jobs of a sample on a model that makes a thread for each.
const THREADS: u64 = 2_000;

/// The most threads that are unjoined at a time.
const WINDOW: usize = 64;

/// The question.
pub(super) const BENCH: Bench = Bench {
    name: "trait_cost",
    subjects: &[
        through(Model::OneToOne, THREADS, one_to_one),
        native("one-to-one-native", THREADS, threads),
        through(Model::PoolBasic, QUEUED, pool_basic),
        native("pool-basic-native", QUEUED, pool_basic_native),
        through(Model::PoolBasicCrossbeam, QUEUED, pool_basic_crossbeam),
        native(
            "pool-basic-crossbeam-native",
            QUEUED,
            pool_basic_crossbeam_native,
        ),
        through(Model::PoolWorkstealing, QUEUED, pool_workstealing),
        native("pool-workstealing-native", QUEUED, pool_workstealing_native),
        through(Model::MiniExecutor, QUEUED, mini_executor),
        native("mini-executor-native", QUEUED, mini_executor_native),
    ],
    without: "",
    metrics: PER_JOB,
    judged: Judged::Cpu,
    bars: &[
        &[bar("one-to-one", "one-to-one-native")],
        &[bar("pool-basic", "pool-basic-native")],
        &[bar("pool-basic-crossbeam", "pool-basic-crossbeam-native")],
        &[bar("pool-workstealing", "pool-workstealing-native")],
        &[bar("mini-executor", "mini-executor-native")],
    ],
};

/// A model behind the trait.
const fn through(model: Model, jobs: u64, measure: Measure) -> Subject {
    Subject {
        name: model.name(),
        jobs,
        measure,
    }
}

/// A model's own spawn.
const fn native(name: &'static str, jobs: u64, measure: Measure) -> Subject {
    Subject {
        name,
        jobs,
        measure,
    }
}

/// The claim of this bench.
const fn bar(ours: &'static str, theirs: &'static str) -> Bar {
    Bar::ratio(ours, theirs, 1.15)
}

/// Times spawning and joining, and checks that each job's result arrived.
fn measure<J>(
    jobs: u64,
    window: usize,
    spawn: impl Fn(u64) -> J,
    join: impl Fn(J) -> anyhow::Result<u64>,
) -> anyhow::Result<Figure> {
    let mut unjoined: VecDeque<J> = VecDeque::with_capacity(window.min(jobs as usize));
    let mut sum = 0_u64;
    let start = Mark::now();
    for number in 0..jobs {
        if unjoined.len() == window
            && let Some(oldest) = unjoined.pop_front()
        {
            sum = sum.wrapping_add(join(oldest)?);
        }
        unjoined.push_back(spawn(number));
    }
    for job in unjoined {
        sum = sum.wrapping_add(join(job)?);
    }
    let took = start.took();
    let expected = workloads::spawn_join::serial(jobs);
    anyhow::ensure!(
        sum == expected,
        "results were lost: {sum:#x} instead of {expected:#x}"
    );
    Ok(Figure::new(took, jobs))
}

/// The model's jobs through the trait.
fn through_handle(model: Model, cpus: usize, jobs: u64, window: usize) -> anyhow::Result<Figure> {
    let handle: Handle = model::build(model, cpus)?;
    measure(
        jobs,
        window,
        |number| handle.spawn(move || mix(number)),
        result,
    )
}

fn one_to_one(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    through_handle(Model::OneToOne, cpus, jobs, WINDOW)
}

fn threads(_: usize, jobs: u64) -> anyhow::Result<Figure> {
    let join = |job: std::thread::JoinHandle<u64>| {
        job.join().map_err(|_| anyhow::anyhow!("the job panicked"))
    };
    measure(
        jobs,
        WINDOW,
        |number| std::thread::spawn(move || mix(number)),
        join,
    )
}

fn pool_basic(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    through_handle(Model::PoolBasic, cpus, jobs, usize::MAX)
}

fn pool_basic_native(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = model::pool_basic(Model::PoolBasic, cpus)?;
    measure(
        jobs,
        usize::MAX,
        |number| pool.spawn(move || mix(number)),
        result,
    )
}

fn pool_basic_crossbeam(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    through_handle(Model::PoolBasicCrossbeam, cpus, jobs, usize::MAX)
}

fn pool_basic_crossbeam_native(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = model::pool_basic(Model::PoolBasicCrossbeam, cpus)?;
    measure(
        jobs,
        usize::MAX,
        |number| pool.spawn(move || mix(number)),
        result,
    )
}

fn pool_workstealing(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    through_handle(Model::PoolWorkstealing, cpus, jobs, usize::MAX)
}

fn pool_workstealing_native(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = pool_workstealing::ThreadPool::new(cpus)?;
    measure(
        jobs,
        usize::MAX,
        |number| pool.spawn_with_handle(move || mix(number)),
        result,
    )
}

fn mini_executor(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    through_handle(Model::MiniExecutor, cpus, jobs, usize::MAX)
}

fn mini_executor_native(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let runtime = Runtime::builder().workers(cpus).build()?;
    measure(
        jobs,
        usize::MAX,
        |number| runtime.spawn_closure(move || mix(number)),
        result,
    )
}

/// Waits for a job of the family.
fn result(job: JoinHandle<u64>) -> anyhow::Result<u64> {
    job.join().map_err(|error| anyhow::anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_gives_every_result() {
        for subject in BENCH.subjects {
            let figure = (subject.measure)(2, 500).expect(subject.name);
            assert!(figure.wall_ns > 0.0, "{}", subject.name);
        }
    }

    #[test]
    fn a_lost_result_is_an_error() {
        assert!(measure(10, 4, |_| (), |()| Ok(1)).is_err());
    }
}
