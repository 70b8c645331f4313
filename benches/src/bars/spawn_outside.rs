//! What a job costs that a thread outside the pool queues: a million closures with 24 bytes
//! of captures each, from the first spawn until the last job has run.

use exec_core::sync::atomic::{AtomicU64, Ordering};

use record::Model;

use super::{Bar, Bench, Figure, Judged, PER_JOB, Subject};
use crate::model;
use crate::peers::TextbookPool;
use crate::usage::Mark;

const JOBS: u64 = 1_000_000;

/// The question.
pub(super) const BENCH: Bench = Bench {
    name: "spawn_outside_24B",
    subjects: &[
        Subject {
            name: "pool-basic",
            jobs: JOBS,
            measure: basic,
        },
        Subject {
            name: "pool-basic-crossbeam",
            jobs: JOBS,
            measure: basic_crossbeam,
        },
        Subject {
            name: "textbook",
            jobs: JOBS,
            measure: textbook,
        },
        Subject {
            name: "threadpool",
            jobs: JOBS,
            measure: threadpool,
        },
    ],
    without: "",
    metrics: PER_JOB,
    judged: Judged::Wall,
    bars: &[
        &[Bar::ratio("pool-basic", "textbook", 1.0)],
        &[Bar::ratio("pool-basic", "threadpool", 0.8)],
    ],
};

/// What the jobs add up, with one addition a job.
static SUM: AtomicU64 = AtomicU64::new(0);

/// One job: a pointer and two numbers, 24 bytes.
fn job(number: u64) -> impl FnOnce() + Send + 'static {
    type Capture = (&'static AtomicU64, u64, u64);
    const {
        assert!(size_of::<Capture>() == 24);
    }
    let capture: Capture = (&SUM, number, 1);
    move || {
        let (sum, a, b) = capture;
        // ORDERING: a sum; the pool's own end is what makes it visible.
        sum.fetch_add(a + b, Ordering::Relaxed);
    }
}

/// Times `spawn` for every job and `finish` once, and checks that each job ran once.
fn measure<P>(
    jobs: u64,
    pool: P,
    spawn: impl Fn(&P, u64),
    finish: impl FnOnce(P),
) -> anyhow::Result<Figure> {
    SUM.store(0, Ordering::Relaxed);
    let start = Mark::now();
    for number in 0..jobs {
        spawn(&pool, number);
    }
    finish(pool);
    let took = start.took();
    let (sum, expected) = (SUM.load(Ordering::Relaxed), jobs * (jobs + 1) / 2);
    anyhow::ensure!(
        sum == expected,
        "jobs were lost or run twice: {sum} instead of {expected}"
    );
    Ok(Figure::new(took, jobs))
}

/// Our pool, waited for and ended as the textbook's is: by its drop.
fn pool_basic(model: Model, cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = model::pool_basic(model, cpus)?;
    let spawn = |pool: &pool_basic::ThreadPool, number| {
        pool.execute(job(number))
            .expect("invariant: nobody shuts the pool down");
    };
    measure(jobs, pool, spawn, drop)
}

fn basic(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    pool_basic(Model::PoolBasic, cpus, jobs)
}

fn basic_crossbeam(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    pool_basic(Model::PoolBasicCrossbeam, cpus, jobs)
}

fn textbook(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    // The textbook knows no other way to wait than to end.
    measure(
        jobs,
        TextbookPool::new(cpus),
        |pool, n| pool.execute(job(n)),
        drop,
    )
}

fn threadpool(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = threadpool::ThreadPool::new(cpus);
    measure(
        jobs,
        pool,
        |pool, n| pool.execute(job(n)),
        |pool| pool.join(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_runs_each_job_once() {
        // One after the other: they share the sum.
        for subject in BENCH.subjects {
            let figure = (subject.measure)(2, 1_000).expect(subject.name);
            assert!(figure.wall_ns > 0.0, "{}", subject.name);
        }
        assert!(
            measure(10, (), |(), _| (), drop).is_err(),
            "a lost job is an error"
        );
    }
}
