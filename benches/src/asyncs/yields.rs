//! What it costs to give way: a thousand tasks that do nothing else.

use anyhow::ensure;

use super::subjects::Runtime;
use super::{OURS, TOKIO, TOKIO_CT, asked};
use crate::bars::{Bar, Bench, Figure, Judged, PER_JOB};
use crate::usage::Mark;

/// Tasks at once.
const TASKS: u64 = 1_000;

fn many<R: Runtime>(cpus: usize, yields: u64) -> anyhow::Result<Figure> {
    let runtime = R::start(cpus)?;
    let each = yields.div_ceil(TASKS);
    let body = move || async move {
        let mut times = 0_u64;
        while times < each {
            R::yield_now().await;
            times += 1;
        }
        times
    };
    let mark = Mark::now();
    let times = runtime.block_on(async {
        let all = async move {
            let handles: Vec<_> = (0..TASKS).map(|_| runtime.spawn(body())).collect();
            let mut times = 0;
            for handle in handles {
                times += handle.await;
            }
            times
        };
        runtime.spawn(all).await
    });
    let took = mark.took();
    ensure!(times == TASKS * each, "{times} yields");
    Ok(Figure::new(took, times))
}

/// A thousand tasks, a thousand times each.
pub(super) const MANY: Bench = Bench {
    name: "yield_many",
    subjects: asked!(all: 1_000_000, many),
    without: "tasks",
    metrics: PER_JOB,
    judged: Judged::Wall,
    bars: &[&[Bar::ratio(OURS, TOKIO, 0.9)]],
};
