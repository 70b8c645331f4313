//! What a task takes that waits: memory over that of its future, its handle included.
//!
//! # Protocol
//! The process's resident memory is read before any task is spawned and when all of them have
//! been polled once. What it has grown by is divided by the tasks, and the size of the future is
//! taken off. So everything counts: the allocator's own words, lists of tasks, queues they went
//! through, and the vector of handles.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, ensure};
use exec_core::sync::atomic::{AtomicU64, Ordering};
use record::Metric;
use tokio::sync::Notify;

use super::subjects::Runtime;
use super::{OURS, TOKIO, TOKIO_CT, asked};
use crate::bars::{Bar, Bench, Figure, Judged};

/// What the tasks share.
struct Polled {
    /// How many polls there were.
    times: AtomicU64,
    tasks: u64,
    /// Told by the last task's first poll.
    all: Notify,
}

/// Waits for ever; tells of its first poll.
struct Idle {
    polled: &'static Polled,
    number: u64,
}

impl Future for Idle {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> {
        let polled = self.polled;
        if polled.times.fetch_add(1, Ordering::Relaxed) + 1 == polled.tasks {
            polled.all.notify_one();
        }
        if self.number == u64::MAX {
            // Never: the numbers are those of the tasks.
            return Poll::Ready(self.number);
        }
        Poll::Pending
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup");
    let text = text.context("could not read the process's memory")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let words = line.context("the system does not say")?.trim();
    let kib = words.trim_end_matches("kB").trim().parse::<u64>()?;
    Ok(kib * 1024)
}

fn per_task<R: Runtime>(cpus: usize, tasks: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let polled: &'static Polled = Box::leak(Box::new(Polled {
        times: AtomicU64::new(0),
        tasks,
        all: Notify::new(),
    }));
    let mut handles = Vec::new();
    let grown = runtime.block_on(async {
        // Everybody's threads have run.
        runtime.spawn(async {}).await;
        let before = resident()?;
        handles.reserve_exact(usize::try_from(tasks)?);
        for number in 0..tasks {
            handles.push(runtime.spawn(Idle { polled, number }));
        }
        polled.all.notified().await;
        anyhow::Ok(resident()?.saturating_sub(before))
    })?;
    let times = polled.times.load(Ordering::Relaxed);
    ensure!(times == tasks, "{tasks} tasks were polled {times} times");
    // They wait for ever: nobody needs to be told of their end.
    std::mem::forget(handles);
    let bytes = grown as f64 / tasks as f64 - size_of::<Idle>() as f64;
    Ok(Figure {
        wall_ns: bytes.max(1.0),
        cpu_ns: 0.0,
        tail_ns: None,
        foreign: None,
    })
}

/// Memory of one task.
const BYTES: Metric = Metric::lower("bytes_per_task", "B");

/// Half a million tasks that wait.
pub(super) const PER_TASK: Bench = Bench {
    name: "mem_per_task",
    subjects: asked!(all: 500_000, per_task),
    without: "tasks",
    metrics: &[(BYTES, Judged::Wall)],
    judged: Judged::Wall,
    bars: &[&[Bar::limit(OURS, 90.0)], &[Bar::ratio(OURS, TOKIO, 0.3)]],
};
