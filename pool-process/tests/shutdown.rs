//! The ways to end a pool, whoever asks and however often.

mod jobs;
mod watchdog;

use std::{
    fs,
    future::Future as _,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    time::Duration,
};

use exec_core::Shutdown;
use jobs::*;
use pool_process::{JobError, ProcessPool, Reason};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

#[test]
fn drain_runs_everything() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        let jobs: Vec<_> = (0..100).map(|n| pool.spawn(&DOUBLE, n)).collect();
        // Nobody reads, nobody joins: the drain has to.
        let report = pool.shutdown(Shutdown::Drain);
        assert_eq!(
            (report.finished, report.cancelled, report.leaked),
            (100, 0, 0)
        );
        assert!(children().is_empty());
        for (n, job) in (0..).zip(jobs) {
            assert!(job.is_finished());
            assert_eq!(job.join(), Ok(2 * n));
        }
        let refused = pool.try_spawn(&DOUBLE, 7).expect_err("it is closed");
        assert_eq!((&refused.reason, refused.args), (&Reason::ShutDown, 7));
        let refused = pool.spawn(&DOUBLE, 7).join();
        assert_eq!(refused, Err(JobError::Rejected(Reason::ShutDown)));
        pool.wait_idle();
    });
}

#[test]
fn a_deadline_kills_what_is_left() {
    watched(|| {
        let _alone = alone();
        let pool = pool(1);
        let done = pool.spawn(&DOUBLE, 4);
        assert_eq!(done.join(), Ok(8));
        let (hang, queued) = (pool.spawn(&HANG, ()), pool.spawn(&DOUBLE, 5));
        let report = pool.shutdown_timeout(Duration::from_millis(50));
        assert_eq!(
            (report.finished, report.cancelled, report.leaked),
            (1, 2, 0)
        );
        assert_eq!(hang.join(), Err(JobError::Cancelled));
        assert_eq!(queued.join(), Err(JobError::Cancelled));
    });
}

#[test]
fn now_kills_at_once() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        let all: Vec<_> = (0..5).map(|_| pool.spawn(&SPIN, ())).collect();
        let report = pool.shutdown(Shutdown::Now);
        assert_eq!(
            (report.finished, report.cancelled, report.leaked),
            (0, 5, 0)
        );
        assert!(children().is_empty());
        for job in all {
            assert_eq!(job.join(), Err(JobError::Cancelled));
        }
        // Again, and in another way: the same.
        assert_eq!(pool.shutdown(Shutdown::Drain), report);
        let stats = pool.stats();
        assert_eq!(stats.scheduled, stats.ran + stats.cancelled);
    });
}

#[test]
fn from_several_threads_at_once() {
    watched(|| {
        let _alone = alone();
        for how in [Shutdown::Drain, Shutdown::Now] {
            let pool = pool(2);
            let jobs: Vec<_> = (0..50).map(|n| pool.spawn(&DOUBLE, n)).collect();
            let reports: Vec<_> = std::thread::scope(|scope| {
                let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| pool.shutdown(how))).collect();
                asking
                    .into_iter()
                    .map(|one| one.join().expect("no panic"))
                    .collect()
            });
            for report in &reports {
                assert_eq!(report, &reports[0]);
                assert_eq!(report.finished + report.cancelled, 50);
            }
            for job in jobs {
                assert!(matches!(job.join(), Ok(_) | Err(JobError::Cancelled)));
            }
        }
    });
}

/// Workers that die while the pool drains are replaced as long as there is work.
#[test]
fn a_drain_replaces_workers() {
    watched(|| {
        let _alone = alone();
        let pool = pool(1);
        let exits: Vec<_> = (0..5).map(|_| pool.spawn(&EXIT, 1)).collect();
        let last = pool.spawn(&DOUBLE, 4);
        let report = pool.shutdown(Shutdown::Drain);
        assert_eq!((report.finished, report.cancelled), (6, 0));
        assert!(exits.into_iter().all(|job| job.join().is_err()));
        assert_eq!(last.join(), Ok(8));
    });
}

#[test]
fn spawning_meanwhile_is_answered() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        std::thread::scope(|scope| {
            let spawning = scope.spawn(|| {
                let (mut ran, mut refused) = (0, 0);
                while refused < 10 {
                    match pool.spawn(&DOUBLE, 1).join() {
                        Ok(2) => ran += 1,
                        Err(JobError::Rejected(Reason::ShutDown)) => refused += 1,
                        other => panic!("{other:?}"),
                    }
                }
                ran
            });
            let report = pool.shutdown(Shutdown::Drain);
            let ran = spawning.join().expect("no panic");
            assert_eq!(report.finished, ran);
        });
    });
}

#[test]
fn wait_idle_needs_nobody_to_read() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        pool.wait_idle();
        let go = fresh_file("idle");
        let job = pool.spawn(&WAIT_FOR, go.clone());
        assert!(!pool.wait_idle_timeout(Duration::from_millis(5)));
        fs::write(&go, "go").expect("a file");
        pool.wait_idle();
        assert!(job.is_finished());
        fs::remove_file(go).expect("it is ours");
    });
}

/// Drops the last reference to a pool when it is woken: on the pool's own thread.
struct Last(Mutex<Option<Arc<ProcessPool>>>, mpsc::Sender<bool>);

impl Wake for Last {
    fn wake(self: Arc<Self>) {
        let pool = self.0.lock().unwrap().take();
        let pool = pool.map(|pool| Arc::try_unwrap(pool).expect("the last one"));
        let inside = std::thread::current().name() == Some("pool-process");
        drop(pool);
        let _ = self.1.send(inside);
    }
}

#[test]
fn dropped_by_its_own_thread() {
    watched(|| {
        let _alone = alone();
        let pool = Arc::new(pool(1));
        let go = fresh_file("own-thread");
        let mut job = pool.spawn(&WAIT_FOR, go.clone());
        let queued = pool.spawn(&DOUBLE, 4);
        let (say, said) = mpsc::channel();
        let waker = Waker::from(Arc::new(Last(Mutex::new(Some(pool)), say)));
        let polled = Pin::new(&mut job).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        fs::write(&go, "go").expect("a file");
        assert!(
            said.recv().expect("it was woken"),
            "by the pool's own thread"
        );
        assert_eq!(queued.join(), Ok(8), "it drains by itself");
        until(|| children().is_empty());
        fs::remove_file(go).expect("it is ours");
    });
}

#[test]
fn handles_outlive_the_pool() {
    watched(|| {
        let _alone = alone();
        let pool = pool(1);
        let job = pool.spawn(&DOUBLE, 4);
        drop(pool);
        assert_eq!(job.join(), Ok(8));
    });
}
