//! A queue with a bound: refused jobs come back, blocked submitters go on.

mod jobs;
mod watchdog;

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use exec_core::Shutdown;
use jobs::*;
use pool_process::{JobError, ProcessPool, Reason};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

fn bounded(places: usize) -> ProcessPool {
    let builder = builder().workers(1).queue_capacity(places);
    builder.build().expect("a small pool")
}

#[test]
fn full_refuses_and_hands_back() {
    watched(|| {
        let pool = bounded(2);
        assert_eq!(pool.queue_capacity(), Some(2));
        let go = fresh_file("full");
        let running = pool.spawn(&WAIT_FOR, go.clone());
        let queued = [pool.spawn(&DOUBLE, 1), pool.spawn(&DOUBLE, 2)];
        let refused = pool.try_spawn(&DOUBLE, 3).expect_err("it is full");
        assert_eq!((&refused.reason, refused.args), (&Reason::Full, 3));
        let refused = pool.try_execute(&DOUBLE, 4).expect_err("it is full");
        assert_eq!(refused.into_args(), 4);
        // A place becomes free when a job is taken back.
        assert!(queued[0].cancel());
        let last = pool.try_spawn(&DOUBLE, 5).expect("there is a place");
        fs::write(&go, "go").expect("a file");
        assert_eq!(running.join(), Ok(2));
        assert_eq!(last.join(), Ok(10));
        fs::remove_file(go).expect("it is ours");
    });
}

#[test]
fn full_makes_spawn_wait() {
    watched(|| {
        let pool = bounded(1);
        let jobs: Vec<_> = (0..200).map(|n| pool.spawn(&DOUBLE, n)).collect();
        for (n, job) in (0..).zip(jobs) {
            assert_eq!(job.join(), Ok(2 * n));
        }
    });
}

/// A shutdown answers those who wait for a place.
#[test]
fn a_shutdown_wakes_those_who_wait() {
    watched(|| {
        let pool = bounded(1);
        let hang = pool.spawn(&HANG, ());
        let queued = pool.spawn(&DOUBLE, 1);
        let about = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                about.store(true, Relaxed);
                pool.spawn(&DOUBLE, 2).join()
            });
            until(|| about.load(Relaxed));
            let report = pool.shutdown(Shutdown::Now);
            assert_eq!((report.cancelled, report.leaked), (2, 0));
            let refused = waiting.join().expect("no panic");
            assert_eq!(refused, Err(JobError::Rejected(Reason::ShutDown)));
        });
        assert_eq!(hang.join(), Err(JobError::Cancelled));
        assert_eq!(queued.join(), Err(JobError::Cancelled));
    });
}
