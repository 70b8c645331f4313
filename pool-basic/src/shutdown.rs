//! The end of a pool: its ways, and what it says.
//!
//! # Protocol
//! Every way closes first. A drain waits for the workers, which end when the queue is empty, and
//! joins their threads. A deadline does for a while, then cancels: what is queued is dropped, and
//! the threads that still run a job are left behind. `Now` cancels at once.
//! A worker of the pool never waits for the pool's end, which would be its own: it closes (or
//! cancels), and the workers end by themselves after it has returned.
//!
//! # Why nothing is lost
//! Threads are joined under a lock, so that of two shutdowns at once the second returns when the
//! first has joined them too. Whoever gives up waiting empties the list: nobody waits for those
//! threads any more, not even the drop of the pool.

use core::{fmt, time::Duration};

use exec_core::{
    Ground, Nanos, Shutdown, ShutdownReport, StdGround,
    sync::{Arc, Mutex, thread::JoinHandle},
};

use crate::{shared::Shared, worker};

/// What [`ThreadPool::shutdown_timeout`](crate::ThreadPool::shutdown_timeout) says when time was
/// up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillRunning {
    /// Jobs that still run, on threads that nobody waits for any more.
    pub n: u64,
    /// Jobs that were queued and have been dropped.
    pub cancelled: u64,
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs still run and were left behind, {} queued jobs were cancelled; give the pool \
             more time, or let long jobs look at a flag",
            self.n, self.cancelled
        )
    }
}

impl core::error::Error for StillRunning {}

/// The threads of a pool, until somebody has joined or abandoned them.
#[derive(Debug)]
pub(crate) struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    pub(crate) fn new(handles: Vec<JoinHandle<()>>) -> Self {
        Self(Mutex::new(handles))
    }

    /// Joins all threads, whose workers have ended.
    fn join(&self) {
        let mut handles = self.0.lock();
        for handle in handles.drain(..) {
            let _ = handle.join().map_err(exec_core::unwind::discard);
        }
    }

    /// Leaves the threads to themselves.
    fn detach(&self) {
        self.0.lock().clear();
    }

    /// Forgets threads that are not in this process.
    fn forget(&mut self) {
        if let Some(mut handles) = self.0.try_lock() {
            core::mem::take(&mut *handles)
                .into_iter()
                .for_each(core::mem::forget);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Ends the pool.
pub(crate) fn shutdown(shared: &Arc<Shared>, threads: &Threads, how: Shutdown) -> ShutdownReport {
    let report = |leaked| {
        let totals = &shared.totals;
        ShutdownReport::new(totals.ran(), totals.cancelled(), leaked)
    };
    if shared.is_forked() {
        return report(0);
    }
    let inside = worker::is_worker_of(shared);
    let now = StdGround.now();
    shared.close();
    let ended = match how {
        Shutdown::Now => false,
        _ if inside => return report(shared.totals.running()),
        Shutdown::Drain => shared.sleep.wait_ended(None),
        Shutdown::Deadline(left) => shared.sleep.wait_ended(Some(now.saturating_add(left))),
    };
    if !ended {
        shared.cancel();
    }
    // Workers that were only about to end need no more than a look.
    if !ended && !shared.sleep.wait_ended(Some(Nanos(0))) {
        threads.detach();
        return report(shared.totals.running());
    }
    if inside {
        threads.detach();
    } else {
        threads.join();
    }
    report(0)
}

/// As [`shutdown`] with a deadline, in the words of the pool's own method.
pub(crate) fn shutdown_timeout(
    shared: &Arc<Shared>,
    threads: &Threads,
    timeout: Duration,
) -> Result<ShutdownReport, StillRunning> {
    let report = shutdown(shared, threads, Shutdown::Deadline(timeout));
    if report.leaked == 0 {
        Ok(report)
    } else {
        Err(StillRunning {
            n: report.leaked,
            cancelled: report.cancelled,
        })
    }
}

/// What dropping the pool does.
pub(crate) fn on_drop(shared: &Arc<Shared>, threads: &mut Threads) {
    if shared.is_forked() {
        // Joining or detaching would touch threads that are not here.
        threads.forget();
    } else if threads.is_empty() {
        shared.close();
    } else {
        let _ = shutdown(shared, threads, Shutdown::Drain);
    }
}
