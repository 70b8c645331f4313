//! What a task costs from its spawn until its output is taken.
//!
//! * Outside: spawned and awaited by a future that the caller's thread drives.
//! * Inside: by a task of the runtime.
//! * One at a time: a task spawns the next one when the one before has been awaited.
//! * Chained: each task spawns the next one and ends.
//! * `block_on` of a spawned task: what a caller from outside pays for one.

use std::hint::black_box;

use anyhow::ensure;
use tokio::sync::oneshot;

use super::subjects::Runtime;
use super::{OURS, TOKIO, TOKIO_CT, asked};
use crate::bars::{Bar, Bench, Figure, Judged, PER_JOB, Subject};
use crate::usage::Mark;

/// Spawns so many tasks, then awaits each, and returns the sum of their numbers.
async fn spawn_all<R: Runtime>(runtime: R, tasks: u64) -> u64 {
    let spawn = |number| runtime.spawn(async move { black_box(number) });
    let handles: Vec<_> = (0..tasks).map(spawn).collect();
    let mut sum = 0;
    for handle in handles {
        sum += handle.await;
    }
    sum
}

fn sum_up_to(tasks: u64) -> u64 {
    tasks * tasks.saturating_sub(1) / 2
}

/// The figure of so many tasks, whose numbers add up to what they should.
fn figure(mark: &Mark, tasks: u64, sum: u64) -> anyhow::Result<Figure> {
    let took = mark.took();
    ensure!(sum == sum_up_to(tasks), "wrong sum of {tasks}: {sum}");
    Ok(Figure::new(took, tasks))
}

fn outside<R: Runtime>(cpus: usize, tasks: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let mark = Mark::now();
    let sum = runtime.block_on(async { spawn_all(runtime, tasks).await });
    figure(&mark, tasks, sum)
}

fn inside<R: Runtime>(cpus: usize, tasks: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let mark = Mark::now();
    let sum = runtime.block_on(async { runtime.spawn(spawn_all(runtime, tasks)).await });
    figure(&mark, tasks, sum)
}

fn one_at_a_time<R: Runtime>(cpus: usize, tasks: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let body = async move {
        let mut sum = 0;
        for number in 0..tasks {
            sum += runtime.spawn(async move { black_box(number) }).await;
        }
        sum
    };
    let mark = Mark::now();
    let sum = runtime.block_on(async { runtime.spawn(body).await });
    figure(&mark, tasks, sum)
}

fn link<R: Runtime>(runtime: R, number: u64, last: u64, sum: u64, end: oneshot::Sender<u64>) {
    let sum = sum + number;
    if number == last {
        // The receiver waits until this comes.
        let _ = end.send(sum);
        return;
    }
    R::detach(runtime.spawn(async move { link(runtime, number + 1, last, sum, end) }));
}

fn chained<R: Runtime>(cpus: usize, tasks: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let (end, ended) = oneshot::channel();
    let mark = Mark::now();
    let sum = runtime.block_on(async {
        link(runtime, 0, tasks.saturating_sub(1), 0, end);
        ended.await
    })?;
    figure(&mark, tasks, sum)
}

fn block_on<R: Runtime>(cpus: usize, tasks: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let mark = Mark::now();
    let mut sum = 0;
    for number in 0..tasks {
        sum += runtime.block_on(async { runtime.spawn(async move { black_box(number) }).await });
    }
    figure(&mark, tasks, sum)
}

const fn bench(
    name: &'static str,
    subjects: &'static [Subject],
    bars: &'static [&'static [Bar]],
) -> Bench {
    Bench {
        name,
        subjects,
        without: "way to spawn a task",
        metrics: PER_JOB,
        judged: Judged::Wall,
        bars,
    }
}

const MANY: u64 = 1_000_000;

/// A million tasks from outside.
pub(super) const OUTSIDE: Bench = bench(
    "spawn_await_outside",
    asked!(all: MANY, outside),
    &[&[Bar::ratio(OURS, TOKIO, 0.35)]],
);

/// A million tasks from a task.
pub(super) const INSIDE: Bench = bench(
    "spawn_await_inside",
    asked!(all: MANY, inside),
    &[&[Bar::ratio(OURS, TOKIO, 0.2)]],
);

/// One task at a time, from a task.
pub(super) const ONE_AT_A_TIME: Bench = bench(
    "spawn_await_seq",
    asked!(all: MANY, one_at_a_time),
    &[&[Bar::ratio(OURS, TOKIO, 0.6)]],
);

/// Each task by the one before.
pub(super) const CHAINED: Bench = bench(
    "chained_spawn",
    asked!(all: MANY, chained),
    &[&[Bar::ratio(OURS, TOKIO, 0.3)]],
);

/// One task by a caller who waits.
pub(super) const BLOCK_ON: Bench = bench(
    "block_on_spawn",
    asked!(all: 20_000, block_on),
    &[&[Bar::ratio(OURS, TOKIO, 0.1)]],
);
