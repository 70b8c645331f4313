//! The requests: small, due at fixed times, and late if the model has no worker for them.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use exec_core::sync::Arc;
use exec_core::{Handle, JoinHandle};
use hdrhistogram::Histogram;
use nix::sys::prctl::set_timerslack;
use tokio::sync::Mutex;

use crate::sockets::Timetable;

/// The longest lateness that is told apart from longer ones.
const LONGEST_NS: u64 = 60_000_000_000;

/// Requests that were all sent.
pub(super) struct Requests {
    table: Timetable,
    /// Those that are waited for, by their number; the answer is when it came.
    waiting: VecDeque<(u64, JoinHandle<Duration>)>,
    lateness: Histogram<u64>,
}

impl Requests {
    /// Sends each when it is due, as a closure.
    ///
    /// # Blocking
    /// Until the last one is due.
    pub(super) fn closures(handle: &Handle, table: &Timetable) -> anyhow::Result<Self> {
        Self::send(table, |start| handle.spawn(move || start.elapsed()))
    }

    /// Sends each when it is due, as a future that takes a lock.
    ///
    /// # Blocking
    /// As above.
    pub(super) fn futures(
        handle: &Handle,
        table: &Timetable,
        lock: &Arc<Mutex<u64>>,
    ) -> anyhow::Result<Self> {
        Self::send(table, |start| {
            let lock = Arc::clone(lock);
            handle.spawn_async(async move {
                *lock.lock().await += 1;
                start.elapsed()
            })
        })
    }

    fn send(
        table: &Timetable,
        mut spawn: impl FnMut(Instant) -> JoinHandle<Duration>,
    ) -> anyhow::Result<Self> {
        // A sleep that is cut as it is asked for, not up to 50 µs later.
        set_timerslack(1).context("could not sharpen the clock")?;
        let mut waiting = VecDeque::with_capacity(usize::try_from(table.requests())?);
        let start = Instant::now();
        for number in 0..table.requests() {
            while let Some(left) = table.due(number).checked_sub(start.elapsed())
                && !left.is_zero()
            {
                thread::sleep(left);
            }
            waiting.push_back((number, spawn(start)));
        }
        Self::sent(table, waiting)
    }

    fn sent(
        table: &Timetable,
        waiting: VecDeque<(u64, JoinHandle<Duration>)>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            table: *table,
            waiting,
            lateness: Histogram::new_with_bounds(1, LONGEST_NS, 3)?,
        })
    }

    /// Waits for answers, at most so long; says how many are still waited for.
    pub(super) fn gather(&mut self, limit: Duration) -> anyhow::Result<usize> {
        let start = Instant::now();
        while let Some((number, answer)) = self.waiting.pop_front() {
            let at = match answer.join_timeout(limit.saturating_sub(start.elapsed())) {
                Ok(ended) => ended.map_err(|error| anyhow!("request {number}: {error}"))?,
                Err(answer) => {
                    self.waiting.push_front((number, answer));
                    break;
                }
            };
            let late = at.checked_sub(self.table.due(number));
            let late = late.with_context(|| format!("request {number} came too early"))?;
            let ns = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
            self.lateness.saturating_record(ns);
        }
        Ok(self.waiting.len())
    }

    /// How late a share of them was at the most, in nanoseconds.
    pub(super) fn late(&self, share: f64) -> f64 {
        self.lateness.value_at_quantile(share) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::watchdog;

    const LONG: Duration = Duration::from_secs(20);

    fn pool() -> Handle {
        Handle::new(pool_basic::ThreadPool::new(1).expect("a pool")).into_dyn()
    }

    /// Requests whose answers say when they came.
    fn answered(at_ms: &[u64]) -> Requests {
        let (handle, table) = (pool(), Timetable::new(1_000, Duration::from_millis(3)));
        let answer = |at: &u64| {
            let at = Duration::from_millis(*at);
            handle.spawn(move || at)
        };
        let waiting = (0..).zip(at_ms.iter().map(answer)).collect();
        Requests::sent(&table, waiting).expect("a histogram")
    }

    #[test]
    fn lateness_counts_from_when_a_request_was_due() {
        watchdog::run(|| {
            let mut requests = answered(&[5, 5, 5]);
            assert_eq!(requests.gather(LONG).expect("right"), 0);
            let ms = |share| (requests.late(share) / 1e6).round();
            assert_eq!((ms(0.0), ms(0.5), ms(1.0)), (3.0, 4.0, 5.0));
            let error = answered(&[0, 0]).gather(LONG).expect_err("due later");
            assert!(error.to_string().contains("request 1"), "{error}");
        });
    }

    #[test]
    fn who_is_not_answered_yet_is_waited_for_again() {
        watchdog::run(|| {
            let handle = pool();
            let (open, gate) = channel();
            let waiting = handle.spawn(move || {
                let _ = gate.recv();
                LONG
            });
            let table = Timetable::new(1, Duration::ZERO);
            let mut requests = Requests::sent(&table, [(0, waiting)].into()).expect("one");
            assert_eq!(requests.gather(Duration::from_millis(1)).expect("none"), 1);
            open.send(()).expect("it waits");
            assert_eq!(requests.gather(LONG).expect("right"), 0);
            assert!(requests.late(0.5) > 19e9, "{}", requests.late(0.5));
        });
    }
}
