//! How soon a job starts, and how soon its result is back.
//!
//! * Hot: one job after the other, each submitted as soon as the one before has started. The
//!   figure is the time from the submission to the job's first instruction.
//! * After an idle time of 2 ms: from the submission until the caller has the result, by the
//!   pool's own way to wait for one, or by a channel where it has none.
//!
//! The submitter of hot jobs polls for the start on its core: to sleep there would be to measure
//! its own wake-up. It leaves the other cores to the pool.

use std::time::{Duration, Instant};

use anyhow::ensure;
use exec_core::sync::atomic::{AtomicU64, Ordering};
use record::Metric;

use super::subjects::{Basic, Book, Rayon, RayonOnOurs, Spawn, Threadpool, Workstealing, start};
use super::{OURS, RAYON_ON_OURS};
use crate::bars::{Bar, Bench, CPU_NS_PER_JOB, Figure, Judged, Measure, Subject};
use crate::usage::Mark;

/// Jobs before those that are measured.
const WARM_UP: u64 = 100;

/// From the submission to what is measured.
const LATENCY: Metric = Metric::lower("latency", "ns");

/// The figure of some latencies at a percentile; the CPU time is that of all, a job.
fn at(percent: usize, mut latencies: Vec<u64>, mark: &Mark) -> Figure {
    let took = mark.took();
    latencies.sort_unstable();
    let place = (latencies.len() * percent / 100).min(latencies.len() - 1);
    let mut figure = Figure::new(took, latencies.len() as u64);
    figure.wall_ns = latencies[place] as f64;
    figure
}

/// Nanoseconds since some moment, 1 at least: 0 stands for "not yet".
fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).map_or(u64::MAX, |ns| ns.max(1))
}

fn hot<P: Spawn, const PERCENT: usize>(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = start::<P>(cpus)?;
    let latency: &'static AtomicU64 = Box::leak(Box::default());
    let ran: &'static AtomicU64 = Box::leak(Box::default());
    let submit = |number: u64| {
        latency.store(0, Ordering::Relaxed);
        let start = Instant::now();
        pool.spawn(move || {
            let took = since(start);
            // One job at a time: nobody else writes.
            ran.store(ran.load(Ordering::Relaxed) + number, Ordering::Relaxed);
            // ORDERING: Release, for the Acquire below: the next job sees what this one wrote.
            latency.store(took, Ordering::Release);
        });
        loop {
            match latency.load(Ordering::Acquire) {
                0 => std::hint::spin_loop(),
                took => return took,
            }
        }
    };
    for _ in 0..WARM_UP {
        submit(0);
    }
    let mark = Mark::now();
    let latencies: Vec<u64> = (1..=jobs).map(submit).collect();
    let figure = at(PERCENT, latencies, &mark);
    let (sum, expected) = (ran.load(Ordering::Relaxed), jobs * (jobs + 1) / 2);
    ensure!(sum == expected, "ran {sum} instead of {expected}");
    Ok(figure)
}

/// How long the pool has nothing to do before each job.
const IDLE: Duration = Duration::from_millis(2);

fn round_trip<P: Spawn>(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = start::<P>(cpus)?;
    let call = |number: u64| {
        std::thread::sleep(IDLE);
        let start = Instant::now();
        let answer = pool.call(move || number + 1);
        (since(start), answer)
    };
    ensure!(call(1).1 == 2, "wrong answer");
    let mark = Mark::now();
    let mut latencies = Vec::new();
    for number in 0..jobs {
        let (latency, answer) = call(number);
        ensure!(answer == number + 1, "wrong answer to {number}: {answer}");
        latencies.push(latency);
    }
    Ok(at(50, latencies, &mark))
}

/// Every subject of one question.
macro_rules! subjects {
    ($jobs:expr, $measure:ident $(, $percent:literal)?) => {
        &[
            subject(OURS, $jobs, $measure::<Workstealing $(, $percent)?>),
            subject("pool-basic", $jobs, $measure::<Basic $(, $percent)?>),
            subject("rayon", $jobs, $measure::<Rayon $(, $percent)?>),
            subject(RAYON_ON_OURS, $jobs, $measure::<RayonOnOurs $(, $percent)?>),
            #[cfg(forte)]
            subject("forte", $jobs, $measure::<super::forte::Forte $(, $percent)?>),
            subject("threadpool", $jobs, $measure::<Threadpool $(, $percent)?>),
            subject("book", $jobs, $measure::<Book $(, $percent)?>),
            #[cfg(feature = "peers")]
            subject("executors-ws", $jobs, $measure::<super::subjects::ExecutorsWs $(, $percent)?>),
        ]
    };
}

const fn subject(name: &'static str, jobs: u64, measure: Measure) -> Subject {
    Subject {
        name,
        jobs,
        measure,
    }
}

const fn bench(
    name: &'static str,
    subjects: &'static [Subject],
    bars: &'static [&'static [Bar]],
) -> Bench {
    Bench {
        name,
        subjects,
        without: "way to submit a job",
        metrics: &[(LATENCY, Judged::Wall), (CPU_NS_PER_JOB, Judged::Cpu)],
        judged: Judged::Wall,
        bars,
    }
}

/// The median of hot starts.
pub(super) const HOT_P50: Bench = bench(
    "wake_hot_p50",
    subjects!(20_000, hot, 50),
    &[&[
        Bar::ratio(OURS, "forte", 1.0),
        Bar::ratio(OURS, "rayon", 0.5),
    ]],
);

/// The slow hundredth of hot starts.
pub(super) const HOT_P99: Bench = bench(
    "wake_hot_p99",
    subjects!(20_000, hot, 99),
    &[&[Bar::ratio(OURS, "rayon", 0.3)]],
);

/// The median of round trips to a pool that has been idle.
pub(super) const ROUND_TRIP: Bench = bench(
    "roundtrip_idle2ms_p50",
    subjects!(500, round_trip),
    &[&[Bar::ratio(OURS, "rayon", 0.2)]],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    #[test]
    fn every_subject_runs_its_jobs() {
        watchdog::run(|| {
            for bench in [HOT_P50, ROUND_TRIP] {
                for subject in bench.subjects {
                    if subject.name == RAYON_ON_OURS {
                        // Another program's.
                        continue;
                    }
                    let figure = (subject.measure)(2, 20);
                    let figure = figure.unwrap_or_else(|error| {
                        panic!("{} of {}: {error}", subject.name, bench.name);
                    });
                    assert!(figure.wall_ns >= 1.0, "{}", subject.name);
                }
            }
        });
    }

    #[test]
    fn a_percentile_is_a_sample() {
        let figure = |percent| at(percent, (1..=100).rev().collect(), &Mark::now()).wall_ns;
        assert_eq!((figure(50), figure(99), figure(100)), (51.0, 100.0, 100.0));
        assert_eq!(at(99, vec![7], &Mark::now()).wall_ns, 7.0);
    }
}
