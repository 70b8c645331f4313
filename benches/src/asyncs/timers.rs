//! How late timers are, and what they cost: many tasks, each of which sleeps once.
//!
//! The sleeps are of 1 to 101 ms, in steps of a microsecond, drawn at random and the same for all
//! subjects: 5,000 of them end 20 µs apart, 100,000 end 1 µs apart. A task takes the time when its
//! sleep begins and when it ends, so that a late start does not count as a late end.
//!
//! The figures: the median of how late the sleeps ended; and the CPU time of the whole process, a
//! sleep, from the first spawn until the last task has ended.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use record::Metric;

use super::subjects::Clock;
use super::{OURS, TOKIO, TOKIO_CT, asked};
use crate::bars::{Bar, Bench, Figure, Judged};
use crate::usage::cpu;

const SHORTEST: u64 = 1_000;
const SPREAD: u64 = 100_000;

/// The next random number (xorshift).
fn roll(dice: &mut u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice
}

/// Runs the tasks `rounds` times over; the wall time of the figure is the median lateness.
fn sleeps<R: Clock, const TASKS: u64>(cpus: usize, rounds: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let mut late: Vec<u64> = Vec::new();
    let (mut dice, before) = (0x9E37_79B9_7F4A_7C15, cpu()?);
    for _ in 0..rounds {
        let drawn: Vec<u64> = (0..TASKS)
            .map(|_| SHORTEST + roll(&mut dice) % SPREAD)
            .collect();
        let all = async move {
            let task = |micros| {
                runtime.spawn(async move {
                    let (start, time) = (Instant::now(), Duration::from_micros(micros));
                    runtime.sleep(time).await;
                    let late = start.elapsed().checked_sub(time);
                    late.map(|late| late.as_nanos() as u64)
                })
            };
            let handles: Vec<_> = drawn.into_iter().map(task).collect();
            let mut late = Vec::with_capacity(handles.len());
            for handle in handles {
                late.push(handle.await);
            }
            late
        };
        let all = runtime.block_on(async { runtime.spawn(all).await });
        for one in all {
            late.push(one.context("a sleep ended early")?);
        }
    }
    let used = cpu()?.saturating_sub(before);
    ensure!(late.len() as u64 == TASKS * rounds, "{} sleeps", late.len());
    late.sort_unstable();
    Ok(Figure {
        wall_ns: late[late.len() / 2] as f64,
        cpu_ns: used.as_secs_f64() * 1e9 / late.len() as f64,
        tail_ns: None,
        foreign: None,
    })
}

fn five_thousand<R: Clock>(cpus: usize, rounds: u64) -> anyhow::Result<Figure> {
    sleeps::<R, 5_000>(cpus, rounds)
}

fn a_hundred_thousand<R: Clock>(cpus: usize, rounds: u64) -> anyhow::Result<Figure> {
    sleeps::<R, 100_000>(cpus, rounds)
}

/// The median of how late.
const LATE: Metric = Metric::lower("late_p50", "ns");
/// CPU time a sleep.
const CPU: Metric = Metric::lower("cpu_ns_per_sleep", "ns");

const TIMERS: &str = "timers of its own";

/// How late 5,000 sleeps are.
pub(super) const LATE_5K: Bench = Bench {
    name: "timers_late_p50_5k",
    subjects: asked!(timers: 5, five_thousand),
    without: TIMERS,
    metrics: &[(LATE, Judged::Wall)],
    judged: Judged::Wall,
    bars: &[&[Bar::limit(OURS, 60_000.0)]],
};

/// What 5,000 sleeps cost.
pub(super) const CPU_5K: Bench = Bench {
    name: "timers_cpu_5k",
    subjects: asked!(timers: 5, five_thousand),
    without: TIMERS,
    metrics: &[(CPU, Judged::Cpu)],
    judged: Judged::Cpu,
    bars: &[&[Bar::ratio(OURS, TOKIO_CT, 1.0)]],
};

/// How late 100,000 sleeps are.
pub(super) const LATE_100K: Bench = Bench {
    name: "timers_late_p50_100k",
    subjects: asked!(timers: 3, a_hundred_thousand),
    without: TIMERS,
    metrics: &[(LATE, Judged::Wall), (CPU, Judged::Cpu)],
    judged: Judged::Wall,
    bars: &[&[Bar::limit(OURS, 1_000_000.0)]],
};
