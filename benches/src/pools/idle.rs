//! What a pool costs that has nothing, or next to nothing, to do: CPU time of the process.
//!
//! * `idle_cpu_5s`: nothing to do for 5 s, after some work. Of two subjects there is a second
//!   one that holds a scope open meanwhile.
//! * `cpu_per_job_1khz`: a job of no work every millisecond. Of the CPU time that this takes, the
//!   time of the same loop without a pool is taken off; a figure is at least 1 ns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use exec_core::sync::atomic::{AtomicU64, Ordering};
use record::Metric;

use super::subjects::{Basic, Book, Rayon, RayonOnOurs, Spawn, Threadpool, Workstealing, start};
use super::{OURS, RAYON_ON_OURS};
use crate::bars::{Bar, Bench, CPU_NS_PER_JOB, Figure, Judged, Measure, Subject};
use crate::usage::cpu;

/// How long a pool may take to notice that there is nothing to do.
const SETTLE: Duration = Duration::from_millis(100);

/// A tenth of the time for which nothing is to be done.
const TENTH: Duration = Duration::from_millis(500);

/// The figure of so many tenths of the time. It isn't scaled: a tenth of the time has the whole of
/// what going to sleep and waking up costs the caller.
fn idle(tenths: u64) -> anyhow::Result<Figure> {
    std::thread::sleep(SETTLE);
    let (start, before) = (Instant::now(), cpu()?);
    std::thread::sleep(TENTH * u32::try_from(tenths).context("too long")?);
    let (wall, used) = (start.elapsed(), cpu()?.saturating_sub(before));
    Ok(Figure {
        wall_ns: wall.as_secs_f64() * 1e9,
        cpu_ns: used.as_secs_f64() * 1e9,
        tail_ns: None,
        foreign: None,
    })
}

/// Gives every worker something to do once.
fn warm_up<P: Spawn>(cpus: usize) -> anyhow::Result<&'static P> {
    let pool = start::<P>(cpus)?;
    for number in 0..1_000_u64 {
        let answer = pool.call(move || black_box(number) + 1);
        ensure!(answer == number + 1, "wrong answer to {number}: {answer}");
    }
    Ok(pool)
}

fn idle_pool<P: Spawn>(cpus: usize, tenths: u64) -> anyhow::Result<Figure> {
    warm_up::<P>(cpus)?;
    idle(tenths)
}

fn idle_in_scope(cpus: usize, tenths: u64) -> anyhow::Result<Figure> {
    let pool = warm_up::<Workstealing>(cpus)?;
    let ran = AtomicU64::new(0);
    let figure = pool.0.in_place_scope(|scope| {
        scope.spawn(|_| {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        idle(tenths)
    })?;
    ensure!(ran.into_inner() == 1, "the scope's job was not run once");
    Ok(figure)
}

#[cfg(feature = "peers")]
mod peers {
    use super::super::fork_join::{Chili, ForkJoin as _};
    use super::{Figure, ensure, idle};

    /// chili has nothing but scopes: this is with none alive.
    pub(super) fn chili(cpus: usize, tenths: u64) -> anyhow::Result<Figure> {
        let pool = Chili::start(cpus)?;
        let answers = pool.0.scope().join(|_| 1, |_| 2);
        ensure!(answers == (1, 2), "wrong answers: {answers:?}");
        idle(tenths)
    }

    pub(super) fn chili_in_scope(cpus: usize, tenths: u64) -> anyhow::Result<Figure> {
        let pool = Chili::start(cpus)?;
        let mut scope = pool.0.scope();
        let answers = scope.join(|_| 1, |_| 2);
        ensure!(answers == (1, 2), "wrong answers: {answers:?}");
        idle(tenths)
    }
}

/// The time from job to job.
const PERIOD: Duration = Duration::from_millis(1);

/// CPU time of a job every millisecond, without what the loop itself takes.
fn rare_jobs<P: Spawn>(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let ran: &'static AtomicU64 = Box::leak(Box::default());
    let job = move || {
        ran.fetch_add(1, Ordering::Relaxed);
    };
    // Before there is a pool: its threads are no part of this.
    let (without, _) = paced(jobs, job)?;
    let pool = start::<P>(cpus)?;
    pool.call(|| ());
    let (with, wall) = paced(jobs, || pool.spawn(job))?;
    // On a busy machine the last jobs may be late; what is lost for good hangs the sample, and
    // its time limit tells.
    let ran = || ran.load(Ordering::Relaxed);
    while ran() < 2 * jobs {
        std::thread::sleep(PERIOD);
    }
    std::thread::sleep(SETTLE);
    ensure!(
        ran() == 2 * jobs,
        "{} jobs ran instead of {}",
        ran(),
        2 * jobs
    );
    let a_job = |time: Duration| time.as_secs_f64() * 1e9 / jobs as f64;
    Ok(Figure {
        wall_ns: a_job(wall),
        cpu_ns: a_job(with.saturating_sub(without)).max(1.0),
        tail_ns: None,
        foreign: None,
    })
}

/// Calls something every millisecond; returns the process's CPU time, and the time.
fn paced(times: u64, mut call: impl FnMut()) -> anyhow::Result<(Duration, Duration)> {
    let (start, before) = (Instant::now(), cpu()?);
    let mut next = start;
    for _ in 0..times {
        next += PERIOD;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        call();
    }
    // What the last one sets off belongs to it.
    std::thread::sleep(PERIOD);
    Ok((cpu()?.saturating_sub(before), start.elapsed()))
}

const fn subject(name: &'static str, jobs: u64, measure: Measure) -> Subject {
    Subject {
        name,
        jobs,
        measure,
    }
}

/// CPU time of all threads together.
const CPU: Metric = Metric::lower("cpu", "ns");

/// 0.1 ms, in nanoseconds.
const SILENT: f64 = 100_000.0;

/// With a scope held open.
const IN_SCOPE: &str = "pool-workstealing-scope";

/// Five seconds of nothing.
pub(super) const IDLE: Bench = Bench {
    name: "idle_cpu_5s",
    subjects: &[
        subject(OURS, 10, idle_pool::<Workstealing>),
        subject(IN_SCOPE, 10, idle_in_scope),
        subject("pool-basic", 10, idle_pool::<Basic>),
        subject("rayon", 10, idle_pool::<Rayon>),
        subject(RAYON_ON_OURS, 10, idle_pool::<RayonOnOurs>),
        #[cfg(feature = "peers")]
        subject("chili", 10, peers::chili),
        #[cfg(feature = "peers")]
        subject("chili-scope", 10, peers::chili_in_scope),
        #[cfg(forte)]
        subject("forte", 10, idle_pool::<super::forte::Forte>),
        subject("threadpool", 10, idle_pool::<Threadpool>),
        subject("book", 10, idle_pool::<Book>),
        #[cfg(feature = "peers")]
        subject(
            "executors-ws",
            10,
            idle_pool::<super::subjects::ExecutorsWs>,
        ),
    ],
    without: "threads",
    metrics: &[(CPU, Judged::Cpu)],
    judged: Judged::Cpu,
    bars: &[&[Bar::limit(OURS, SILENT)], &[Bar::limit(IN_SCOPE, SILENT)]],
};

/// A job a millisecond.
pub(super) const A_JOB_A_MILLISECOND: Bench = Bench {
    name: "cpu_per_job_1khz",
    subjects: &[
        subject(OURS, 2_000, rare_jobs::<Workstealing>),
        subject("pool-basic", 2_000, rare_jobs::<Basic>),
        subject("rayon", 2_000, rare_jobs::<Rayon>),
        subject(RAYON_ON_OURS, 2_000, rare_jobs::<RayonOnOurs>),
        #[cfg(forte)]
        subject("forte", 2_000, rare_jobs::<super::forte::Forte>),
        subject("threadpool", 2_000, rare_jobs::<Threadpool>),
        subject("book", 2_000, rare_jobs::<Book>),
        #[cfg(feature = "peers")]
        subject(
            "executors-ws",
            2_000,
            rare_jobs::<super::subjects::ExecutorsWs>,
        ),
    ],
    without: "way to submit a job",
    metrics: &[(CPU_NS_PER_JOB, Judged::Cpu)],
    judged: Judged::Cpu,
    bars: &[&[Bar::ratio(OURS, "rayon", 0.5)]],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn every_subject_runs_its_rare_jobs() {
        watchdog::run(|| {
            for subject in A_JOB_A_MILLISECOND.subjects {
                if subject.name == RAYON_ON_OURS {
                    // Another program's.
                    continue;
                }
                let figure = (subject.measure)(2, 5);
                let figure = figure.unwrap_or_else(|error| panic!("{}: {error}", subject.name));
                assert!(figure.cpu_ns >= 1.0, "{}", subject.name);
            }
        });
    }

    #[test]
    fn a_scope_that_is_held_open_is_measured() {
        watchdog::run(|| {
            let figure = idle_in_scope(2, 1).expect("it runs");
            assert!(figure.wall_ns >= 5e8, "{figure:?}");
            #[cfg(feature = "peers")]
            for measure in [peers::chili, peers::chili_in_scope] {
                measure(2, 1).expect("it runs");
            }
        });
    }
}
