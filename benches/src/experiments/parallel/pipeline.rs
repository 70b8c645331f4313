//! A pipeline: every item goes through all stages, in order, each stage a task.
//!
//! # Protocol
//! A stage takes an item from the channel before it, works on it, and puts it into the one behind it;
//! when the channel before it has ended it ends its own. A full channel makes a stage wait, so that a
//! fast one is no more than [`ROOM`] items ahead.

use exec_core::Handle;
use tokio::sync::mpsc;
use workloads::mix::churn;

/// How many items a channel holds.
const ROOM: usize = 16;

/// Each stage's share of an item's work. They are uneven: no stage can go on before its own last
/// item, so that the slowest one is what the span consists of.
const SHARES: [u64; 3] = [2, 3, 1];

/// So many items, and how much work each is.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    items: u64,
    /// Of a stage with a share of 1.
    rounds: u64,
}

impl Pipeline {
    /// So many items, each of about so many rounds in all.
    pub(super) fn of(items: u64, rounds: u64) -> Self {
        let shares: u64 = SHARES.iter().sum();
        Self {
            items,
            rounds: (rounds / shares).max(1),
        }
    }

    fn stage(&self, stage: usize, item: u64) -> u64 {
        churn(item, SHARES[stage] * self.rounds)
    }

    /// Without tasks.
    pub(super) fn serial(&self) -> u64 {
        let through = |item| (0..SHARES.len()).fold(item, |item, stage| self.stage(stage, item));
        (0..self.items).map(through).fold(0, fold)
    }

    /// All rounds, and those on the longest way through the grid of items and stages: a stage's item
    /// comes after that stage's one before, and after the same item's stage before.
    pub(super) fn work_and_span(&self) -> (u64, u64) {
        let costs = SHARES.map(|share| share * self.rounds);
        let mut ends = [0; SHARES.len()];
        for _ in 0..self.items {
            let mut before = 0;
            for (end, cost) in ends.iter_mut().zip(costs) {
                *end = before.max(*end) + cost;
                before = *end;
            }
        }
        let work = self.items * costs.iter().sum::<u64>();
        (work, ends[SHARES.len() - 1])
    }

    /// With a task a stage.
    ///
    /// # Errors
    /// Where a task has failed.
    pub(super) fn run(&self, handle: &Handle) -> anyhow::Result<u64> {
        let (source, mut from) = mpsc::channel(ROOM);
        let items = self.items;
        let mut tasks = vec![handle.spawn_async(async move {
            for item in 0..items {
                if source.send(item).await.is_err() {
                    return;
                }
            }
        })];
        for stage in 0..SHARES.len() {
            let (to, next) = mpsc::channel(ROOM);
            let (mut items, this) = (std::mem::replace(&mut from, next), self.clone());
            tasks.push(handle.spawn_async(async move {
                while let Some(item) = items.recv().await {
                    if to.send(this.stage(stage, item)).await.is_err() {
                        return;
                    }
                }
            }));
        }
        let sink = handle.spawn_async(async move {
            let mut sum = 0;
            while let Some(item) = from.recv().await {
                sum = fold(sum, item);
            }
            sum
        });
        let failed = |error| anyhow::anyhow!("a stage: {error}");
        let sum = sink.join().map_err(failed)?;
        for task in tasks {
            task.join()
                .map_err(|error| anyhow::anyhow!("a stage: {error}"))?;
        }
        Ok(sum)
    }
}

/// Adds what comes out so that the order counts.
fn fold(sum: u64, item: u64) -> u64 {
    sum.rotate_left(1).wrapping_add(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_is_the_slowest_stage_and_the_ends() {
        // The first item passes the first stage, then the second stage is busy throughout, and the
        // last item passes the third one.
        let pipeline = Pipeline::of(10, 600);
        assert_eq!(pipeline.work_and_span(), (6_000, 200 + 10 * 300 + 100));
    }
}
