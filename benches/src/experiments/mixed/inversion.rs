//! Who holds the lock that the requests need: a task of no urgency.
//!
//! It takes the lock, computes for a millisecond in all, giving way after each fifth of it, lets the
//! lock go, and begins again. Whenever it gives way, the jobs that compute are before it, although
//! requests wait for it: that is the inversion. The lock is fair, so that requests are let in between.

use std::future::poll_fn;
use std::task::Poll;

use anyhow::anyhow;
use exec_core::sync::Arc;
use exec_core::sync::atomic::{AtomicBool, Ordering};
use exec_core::{Handle, JoinHandle};
use tokio::sync::Mutex;
use workloads::mix::churn;

use super::background::rounds;

/// In so many parts the lock's holder computes, each a 25th of a job.
const PARTS: u64 = 5;

/// The task that takes the lock again and again.
pub(super) struct Holder {
    lock: Arc<Mutex<u64>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Holder {
    pub(super) fn start(handle: &Handle) -> anyhow::Result<Self> {
        let lock = Arc::new(Mutex::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = rounds()? / 25;
        let (held, stopped) = (Arc::clone(&lock), Arc::clone(&stop));
        let task = handle.spawn_async(async move {
            // ORDERING: Relaxed: a flag that is looked at again and again, and nothing beside it.
            while !stopped.load(Ordering::Relaxed) {
                let guard = held.lock().await;
                for seed in 0..PARTS {
                    std::hint::black_box(churn(seed, rounds));
                    give_way().await;
                }
                drop(guard);
                // Whoever waits for the lock has it now; but a model may poll this one first.
                give_way().await;
            }
        });
        Ok(Self { lock, stop, task })
    }

    pub(super) fn lock(&self) -> &Arc<Mutex<u64>> {
        &self.lock
    }

    /// Lets it end, and waits for that.
    pub(super) fn end(self) -> anyhow::Result<()> {
        // ORDERING: as above.
        self.stop.store(true, Ordering::Relaxed);
        self.task
            .join()
            .map_err(|error| anyhow!("the lock's holder: {error}"))
    }
}

/// Wakes its own task, and is ready the next time: a fair executor puts it behind what waits.
async fn give_way() {
    let mut is_first = true;
    poll_fn(|context| {
        if std::mem::replace(&mut is_first, false) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}
