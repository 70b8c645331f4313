//! The sides as two tasks.
//!
//! # Protocol
//! Who gives way: one runtime of one worker has both tasks; each yields until the turn is its own.
//! Who wakes: each task has a runtime of one worker, on its own CPU or both on one; a task says so to
//! the other one's [`Notify`], which keeps a notice that comes before the wait, and waits for its own.
//! On one CPU, both tasks are on one runtime: there a wake is no system call.

use std::sync::Arc;

use anyhow::ensure;
use exec_core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;

use super::pair::Pair;
use super::working_set::WorkingSet;
use crate::cpus;
use crate::peers::TokioRuntime;

/// A runtime of one worker.
pub(super) trait Runtime: Send + Sized + 'static {
    /// Starts its worker on the CPUs of the calling thread.
    fn start() -> anyhow::Result<Self>;
    /// Spawns a task of each and waits for both.
    fn run(
        sides: [(
            &Self,
            impl Future<Output = anyhow::Result<()>> + Send + 'static,
        ); 2],
    ) -> anyhow::Result<()>;
    /// Lets the other tasks go first.
    fn yield_now() -> impl Future<Output = ()> + Send;
}

/// `mini-executor`.
pub(super) struct Mini(mini_executor::Runtime);

impl Runtime for Mini {
    fn start() -> anyhow::Result<Self> {
        Ok(Self(mini_executor::Runtime::builder().workers(1).build()?))
    }

    fn run(
        sides: [(
            &Self,
            impl Future<Output = anyhow::Result<()>> + Send + 'static,
        ); 2],
    ) -> anyhow::Result<()> {
        for task in sides.map(|(runtime, side)| runtime.0.spawn(side)) {
            task.join()
                .map_err(|error| anyhow::anyhow!("a side: {error}"))??;
        }
        Ok(())
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        mini_executor::yield_now()
    }
}

/// tokio.
pub(super) struct Tokio(TokioRuntime);

impl Runtime for Tokio {
    fn start() -> anyhow::Result<Self> {
        Ok(Self(TokioRuntime::new(1)?))
    }

    fn run(
        sides: [(
            &Self,
            impl Future<Output = anyhow::Result<()>> + Send + 'static,
        ); 2],
    ) -> anyhow::Result<()> {
        let [(first, _), _] = &sides;
        let first = first.0.native().clone();
        for task in sides.map(|(runtime, side)| runtime.0.native().spawn(side)) {
            first.block_on(task)??;
        }
        Ok(())
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }
}

/// A pair of tasks.
pub(super) struct Tasks<R> {
    runtime: R,
    /// Where the other side runs, if not there.
    other: Option<R>,
    gives_way: bool,
    sets: [Arc<WorkingSet>; 2],
}

/// What both sides share in a run.
#[derive(Default)]
struct Shared {
    /// Whose turn it is.
    turn: AtomicUsize,
    told: [Notify; 2],
    /// Each side's turns.
    turns: [AtomicU64; 2],
}

impl<R: Runtime> Tasks<R> {
    /// A pair on one worker, of which each gives way.
    pub(super) fn give_way(set: &Arc<WorkingSet>) -> anyhow::Result<Self> {
        Ok(Self {
            runtime: R::start()?,
            other: None,
            gives_way: true,
            sets: sets(set),
        })
    }

    /// A pair of which each wakes the other; on one worker, or on two CPUs.
    pub(super) fn wake(other: usize, set: &Arc<WorkingSet>) -> anyhow::Result<Self> {
        let runtime = R::start()?;
        let other = match cpus::allowed()?.contains(&other) {
            // This thread is pinned, so that there is but one CPU.
            true => None,
            false => Some(cpus::elsewhere(other, R::start)??),
        };
        Ok(Self {
            runtime,
            other,
            gives_way: false,
            sets: sets(set),
        })
    }
}

/// A set for each: the two must not find each other's lines in the caches.
fn sets(set: &Arc<WorkingSet>) -> [Arc<WorkingSet>; 2] {
    [Arc::clone(set), Arc::new(WorkingSet::new(set.bytes()))]
}

impl<R: Runtime> Pair for Tasks<R> {
    fn go(&mut self, turns: u64) -> anyhow::Result<()> {
        let shared = Arc::new(Shared::default());
        let other = self.other.as_ref().unwrap_or(&self.runtime);
        let side = |me: usize| {
            let (shared, set) = (Arc::clone(&shared), Arc::clone(&self.sets[me]));
            side::<R>(shared, set, me, turns, self.gives_way)
        };
        shared.told[0].notify_one();
        R::run([(&self.runtime, side(0)), (other, side(1))])?;
        for taken in &shared.turns {
            let taken = taken.load(Ordering::Relaxed);
            ensure!(taken == turns, "a side had {taken} turns of {turns}");
        }
        Ok(())
    }
}

/// A side's turns.
async fn side<R: Runtime>(
    shared: Arc<Shared>,
    set: Arc<WorkingSet>,
    me: usize,
    turns: u64,
    gives_way: bool,
) -> anyhow::Result<()> {
    let it = 1 - me;
    for _ in 0..turns {
        if gives_way {
            // ORDERING: Relaxed: one worker runs both.
            while shared.turn.load(Ordering::Relaxed) != me {
                R::yield_now().await;
            }
        } else {
            shared.told[me].notified().await;
            ensure!(
                // ORDERING: Relaxed: the notice orders it.
                shared.turn.load(Ordering::Relaxed) == me,
                "a notice out of turn"
            );
        }
        set.walk()?;
        // ORDERING: Relaxed: read when both have ended.
        shared.turns[me].fetch_add(1, Ordering::Relaxed);
        // ORDERING: Relaxed: one worker runs both, or the notice orders it.
        shared.turn.store(it, Ordering::Relaxed);
        if !gives_way {
            shared.told[it].notify_one();
        }
    }
    Ok(())
}
