//! What a runtime costs that has nothing to do: CPU time of the process in 5 s, after some work.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use record::Metric;

use super::subjects::Runtime;
use super::{OURS, TOKIO, TOKIO_CT, asked};
use crate::bars::{Bar, Bench, Figure, Judged};
use crate::usage::cpu;

/// How long a runtime may take to notice that there is nothing to do.
const SETTLE: Duration = Duration::from_millis(100);

/// A tenth of the time for which nothing is to be done.
const TENTH: Duration = Duration::from_millis(500);

fn idle<R: Runtime>(cpus: usize, tenths: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    runtime.block_on(async {
        for number in 0..1_000_u64 {
            let answer = runtime.spawn(async move { black_box(number) + 1 }).await;
            ensure!(answer == number + 1, "wrong answer to {number}: {answer}");
        }
        Ok(())
    })?;
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

/// CPU time of all threads together.
const CPU: Metric = Metric::lower("cpu", "ns");

/// 0.1 ms, in nanoseconds.
const SILENT: f64 = 100_000.0;

/// Five seconds of nothing.
pub(super) const IDLE: Bench = Bench {
    name: "idle_cpu_5s",
    subjects: asked!(all: 10, idle),
    without: "threads",
    metrics: &[(CPU, Judged::Cpu)],
    judged: Judged::Cpu,
    bars: &[&[Bar::limit(OURS, SILENT)]],
};
