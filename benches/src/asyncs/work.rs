//! Whether a runtime works on all of its threads.
//!
//! * Scaling: the same tasks, which do nothing but compute, on one worker and on two; the figure
//!   is how many times as fast two are.
//! * Waiting: one task computes and spawns another one before each piece of its work. While it
//!   does, the other worker is idle, so what it spawns has to start there; the figure is the slow
//!   hundredth of how long that takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use record::Metric;

use super::subjects::Runtime;
use super::{OURS, TOKIO, asked};
use crate::bars::{Bar, Bench, Figure, Judged};
use crate::usage::{Mark, Took};

/// Tasks of the set.
const TASKS: u64 = 400;

/// Computes for so many steps, a nanosecond or so each.
fn compute(steps: u64) -> u64 {
    (0..steps).fold(1, |sum: u64, step| black_box(sum.rotate_left(5) ^ step))
}

/// How long the set takes.
fn set<R: Runtime>(cpus: usize, steps: u64) -> anyhow::Result<Took> {
    let runtime = R::start(cpus)?;
    let expected = compute(steps);
    let all = async move {
        let task = |_| runtime.spawn(async move { compute(black_box(steps)) });
        let handles: Vec<_> = (0..TASKS).map(task).collect();
        let mut right = 0;
        for handle in handles {
            right += u64::from(handle.await == expected);
        }
        right
    };
    let mark = Mark::now();
    let right = runtime.block_on(async { runtime.spawn(all).await });
    let took = mark.took();
    ensure!(
        right == TASKS,
        "{right} of {TASKS} computed what they should"
    );
    Ok(took)
}

fn scaling<R: Runtime>(cpus: usize, steps: u64) -> anyhow::Result<Figure> {
    let one = set::<R>(1, steps)?;
    let all = set::<R>(cpus, steps)?;
    Ok(Figure {
        wall_ns: one.wall.as_secs_f64() / all.wall.as_secs_f64(),
        cpu_ns: 0.0,
        tail_ns: None,
        foreign: all.foreign,
    })
}

/// How long the task computes between two spawns.
const PIECE: Duration = Duration::from_millis(3);

fn waiting<R: Runtime>(cpus: usize, spawns: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let busy = async move {
        let mut handles = Vec::new();
        for _ in 0..spawns {
            let spawned = Instant::now();
            handles.push(runtime.spawn(async move { spawned.elapsed() }));
            while spawned.elapsed() < PIECE {
                std::hint::spin_loop();
            }
        }
        let mut waits = Vec::new();
        for handle in handles {
            waits.push(handle.await);
        }
        waits
    };
    let mut waits = runtime.block_on(async { runtime.spawn(busy).await });
    ensure!(waits.len() as u64 == spawns, "{} waits", waits.len());
    waits.sort_unstable();
    let place = (waits.len() * 99 / 100).min(waits.len() - 1);
    Ok(Figure {
        wall_ns: waits[place].as_secs_f64() * 1e9,
        cpu_ns: 0.0,
        tail_ns: None,
        foreign: None,
    })
}

/// How many times as fast.
const SPEEDUP: Metric = Metric::higher("speedup", "times");
/// From the spawn to the start.
const LATENCY: Metric = Metric::lower("wait_p99", "ns");

const THREADS: &str = "threads that can be counted";

/// One worker against two.
pub(super) const SCALING: Bench = Bench {
    name: "scale_1_to_2",
    subjects: asked!(threads: 500_000, scaling),
    without: THREADS,
    metrics: &[(SPEEDUP, Judged::Wall)],
    judged: Judged::Wall,
    bars: &[&[Bar::at_least(OURS, 1.9)]],
};

/// The longest that a task waits while a worker idles.
pub(super) const WAIT: Bench = Bench {
    name: "wait_while_idle_p99",
    subjects: asked!(threads: 300, waiting),
    without: THREADS,
    metrics: &[(LATENCY, Judged::Wall)],
    judged: Judged::Wall,
    bars: &[&[Bar::limit(OURS, 1_000_000.0)]],
};
