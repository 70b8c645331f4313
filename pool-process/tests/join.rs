//! Handles wait, time out, are awaited, dropped, cancelled and killed; whoever reads the answer, it
//! arrives.

mod jobs;
mod watchdog;

use std::{
    fs,
    future::Future as _,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use jobs::*;
use mini_executor::Runtime;
use pool_process::{JobError, ProcessPool};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

#[test]
fn in_any_order_and_from_any_thread() {
    watched(|| {
        let pool = pool(3);
        let mut jobs: Vec<_> = (0..300).map(|n| (n, pool.spawn(&DOUBLE, n))).collect();
        jobs.reverse();
        std::thread::scope(|scope| {
            while !jobs.is_empty() {
                let part = jobs.split_off(jobs.len().saturating_sub(50));
                scope.spawn(move || {
                    for (n, job) in part {
                        assert_eq!(job.join(), Ok(2 * n));
                    }
                });
            }
        });
    });
}

#[test]
fn many_submitters() {
    watched(|| {
        let pool = pool(2);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let pool = &pool;
                scope.spawn(move || {
                    for n in 0..200 {
                        let n = thread * 1_000 + n;
                        assert_eq!(pool.spawn(&DOUBLE, n).join(), Ok(2 * n));
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.scheduled, stats.ran), (800, 800));
    });
}

/// Values larger than the socket's buffers, both ways, joined and read by the supervisor.
#[test]
fn large_values() {
    watched(|| {
        let pool = pool(2);
        for size in [0, 1, 4_095, 70_000, 3 << 20] {
            let bytes: Vec<u8> = (0..=255).cycle().take(size).collect();
            assert_eq!(pool.spawn(&ECHO, bytes.clone()).join(), Ok(bytes), "{size}");
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let all: Vec<_> = (0..6).map(|_| pool.spawn(&ECHO, bytes.clone())).collect();
        for job in all {
            assert_eq!(job.join(), Ok(bytes.clone()));
        }
    });
}

#[test]
fn time_outs_give_the_handle_back() {
    watched(|| {
        let pool = pool(1);
        let go = fresh_file("time-outs");
        let mut job = pool.spawn(&WAIT_FOR, go.clone());
        let queued = pool.spawn(&DOUBLE, 4);
        for timeout in [Duration::ZERO, Duration::from_millis(5)] {
            job = job.join_timeout(timeout).expect_err("it waits");
            assert!(!job.is_finished());
        }
        let queued = queued
            .join_timeout(Duration::from_millis(5))
            .expect_err("it is queued");
        fs::write(&go, "go").expect("a file");
        // The queued one needs the worker, whose answer nobody reads but the supervisor.
        assert_eq!(queued.join(), Ok(8));
        let joined = job.join_timeout(Duration::MAX).expect("it has ended");
        assert_eq!(joined, Ok(2));
        fs::remove_file(go).expect("it is ours");
    });
}

#[test]
fn becomes_finished() {
    watched(|| {
        let pool = pool(1);
        let job = pool.spawn(&DOUBLE, 4);
        until(|| job.is_finished());
        assert!(!job.cancel() && !job.kill());
        assert_eq!(job.join(), Ok(8));
    });
}

struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn is_a_future() {
    watched(|| {
        let pool = pool(1);
        let go = fresh_file("future");
        let mut job = pin!(pool.spawn(&WAIT_FOR, go.clone()));
        let count = Arc::new(Count(AtomicU64::new(0)));
        let waker = Waker::from(count.clone());
        let other = Waker::from(Arc::new(Count(AtomicU64::new(0))));
        // The last waker counts.
        assert!(
            job.as_mut()
                .poll(&mut Context::from_waker(&other))
                .is_pending()
        );
        assert!(
            job.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert!(!job.is_finished(), "a look does not take the waker's place");
        fs::write(&go, "go").expect("a file");
        until(|| count.0.load(Relaxed) == 1);
        let polled = job.as_mut().poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Ready(Ok(2)));
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = job.as_mut().poll(&mut Context::from_waker(&waker));
        }));
        assert!(again.is_err(), "it is over");
        fs::remove_file(go).expect("it is ours");
    });
}

#[test]
fn another_executor_awaits_it() {
    watched(|| {
        let pool = Arc::new(pool(2));
        let runtime = Runtime::builder().workers(2).build().expect("two threads");
        let handle = exec_core::Handle::new(runtime);
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let pool = pool.clone();
                handle.spawn_async(async move {
                    let double = pool.spawn(&DOUBLE, n).await?;
                    pool.spawn(&DOUBLE, double).await
                })
            })
            .collect();
        for (n, task) in (0..).zip(tasks) {
            assert_eq!(task.join().expect("no panic"), Ok(4 * n));
        }
    });
}

#[test]
fn dropped_handles_detach() {
    watched(|| {
        let pool = pool(1);
        let path = fresh_file("detached");
        for n in 0..20 {
            let job = pool.spawn(&NOTE, (path.clone(), n.to_string()));
            if n % 2 == 0 {
                drop(job);
            } else {
                job.detach();
            }
        }
        pool.wait_idle();
        let text = fs::read_to_string(&path).expect("the notes");
        let expected: String = (0..20).map(|n| format!("{n}\n")).collect();
        assert_eq!(text, expected, "one worker: first in, first out");
        fs::remove_file(path).expect("it is ours");
    });
}

fn held(pool: &ProcessPool, name: &str) -> (String, pool_process::JoinHandle<u64>) {
    let go = fresh_file(name);
    let job = pool.spawn(&WAIT_FOR, go.clone());
    (go, job)
}

#[test]
fn cancel_tells_the_truth() {
    watched(|| {
        let pool = pool(1);
        let (go, running) = held(&pool, "cancel");
        let queued = pool.spawn(&DOUBLE, 4);
        assert!(!running.cancel(), "it runs");
        assert!(queued.cancel());
        assert!(!queued.cancel(), "it was already");
        assert_eq!(queued.join(), Err(JobError::Cancelled));
        fs::write(&go, "go").expect("a file");
        assert_eq!(running.join(), Ok(2));
        assert_eq!((pool.stats().cancelled, pool.stats().ran), (1, 1));
        fs::remove_file(go).expect("it is ours");
    });
}

#[test]
fn kill_stops_a_job_that_runs() {
    watched(|| {
        let pool = pool(1);
        let (hang, queued) = (pool.spawn(&HANG, ()), pool.spawn(&DOUBLE, 4));
        assert!(hang.kill());
        assert_eq!(hang.join(), Err(JobError::Cancelled));
        assert_eq!(queued.join(), Ok(8));
        // Also while another thread is blocked in the read.
        let hang = pool.spawn(&HANG, ());
        let pid = pool.worker_ids()[0];
        std::thread::scope(|scope| {
            let joiner = scope.spawn(|| pool.spawn(&DOUBLE, 5).join());
            assert!(hang.kill());
            assert_eq!(joiner.join().expect("no panic"), Ok(10));
        });
        assert_eq!(hang.join(), Err(JobError::Cancelled));
        until(|| pool.worker_ids().iter().all(|id| *id != pid));
    });
}
