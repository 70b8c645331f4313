//! Whatever a job does to its worker is an error of that job, and of no other.

mod jobs;
mod watchdog;

use std::time::Duration;

use jobs::*;
use pool_process::{Ended, JobError};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

#[test]
fn each_end_is_said_and_the_others_go_on() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        let died = |ended| Err(JobError::Died(ended));
        let beside: Vec<_> = (0..50).map(|n| pool.spawn(&DOUBLE, n)).collect();
        assert_eq!(pool.spawn(&EXIT, 7).join(), died(Ended::Exited(7)));
        assert_eq!(pool.spawn(&EXIT, 0).join(), died(Ended::Exited(0)));
        assert_eq!(pool.spawn(&ABORT, ()).join(), died(Ended::Signalled(6)));
        assert_eq!(pool.spawn(&SEGFAULT, ()).join(), died(Ended::Signalled(11)));
        assert_eq!(pool.spawn(&RAISE, 9).join(), died(Ended::Signalled(9)));
        assert_eq!(pool.spawn(&RAISE, 15).join(), died(Ended::Signalled(15)));
        // The guard page: Rust's handler says so and aborts.
        let deep = pool.spawn(&RECURSE, 0).join();
        assert_eq!(deep, Err(JobError::Died(Ended::Signalled(6))));
        for (n, job) in (0..).zip(beside) {
            assert_eq!(job.join(), Ok(2 * n));
        }
        assert_eq!(pool.worker_stats().died, 7);
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        let text = JobError::Died(Ended::Signalled(11)).to_string();
        assert!(text.contains("SIGSEGV"), "{text}");
    });
}

#[test]
fn a_worker_that_talks_nonsense_is_killed() {
    watched(|| {
        let _alone = alone();
        let pool = pool(1);
        assert_eq!(pool.spawn(&GARBLE, ()).join(), Err(JobError::Garbled));
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        // A socket that is closed is the worker's end.
        let closed = pool.spawn(&CLOSE, ()).join();
        assert!(closed.is_err_and(|error| error.is_crash()));
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
    });
}

#[test]
fn time_that_is_up_kills_the_worker_only() {
    watched(|| {
        let _alone = alone();
        let limit = Duration::from_millis(800);
        let pool = builder().workers(2).time_limit(limit).build();
        let pool = pool.expect("a small pool");
        let (hang, spin) = (pool.spawn(&HANG, ()), pool.spawn(&SPIN, ()));
        let queued = pool.spawn(&DOUBLE, 4);
        assert_eq!(hang.join(), Err(JobError::TimedOut(limit)));
        assert_eq!(spin.join(), Err(JobError::TimedOut(limit)));
        assert_eq!(
            queued.join(),
            Ok(8),
            "waiting in the queue takes no time off it"
        );
        assert_eq!(pool.worker_stats().timed_out, 2);
        // A job's own limit counts, and one that nobody joins is killed as well.
        let longer = Duration::from_millis(900);
        let own = pool.spawn_within(longer, &HANG, ()).join();
        assert_eq!(own, Err(JobError::TimedOut(longer)));
        pool.execute(&HANG, ()).expect("accepted");
        pool.wait_idle();
        assert_eq!(pool.worker_stats().timed_out, 4);
    });
}

#[test]
fn an_answer_that_lies_there_is_in_time() {
    watched(|| {
        let _alone = alone();
        let limit = Duration::from_secs(1);
        let pool = builder().workers(1).time_limit(limit).build();
        let pool = pool.expect("a small pool");
        let path = fresh_file("in-time");
        let noted = pool.spawn(&NOTE, (path.clone(), "done".into()));
        until(|| std::fs::read_to_string(&path).is_ok_and(|text| text == "done\n"));
        // Nobody has read the answer when the time is up.
        std::thread::sleep(2 * limit);
        assert_eq!(noted.join(), Ok(()));
        assert_eq!(pool.worker_stats().timed_out, 0);
    });
}

#[test]
fn memory_that_ends_ends_one_job() {
    watched(|| {
        let _alone = alone();
        let pool = builder().workers(1).memory_limit(256 << 20).build();
        let pool = pool.expect("a small pool");
        assert_eq!(pool.spawn(&EAT, 1 << 20).join(), Ok(1 << 20));
        let error = pool.spawn(&EAT, 1 << 30).join();
        assert_eq!(error, Err(JobError::Died(Ended::Signalled(6))));
        assert_eq!(pool.spawn(&EAT, 1 << 20).join(), Ok(1 << 20));
        // Arguments that don't fit are the job's end, not the pool's.
        let error = pool.spawn(&LEN, "x".repeat(300 << 20)).join();
        assert!(error.is_err_and(|error| error.is_crash()));
        assert_eq!(pool.spawn(&EAT, 1 << 20).join(), Ok(1 << 20));
    });
}

/// 1,000 workers die one after the other, each with a job: those jobs fail, no other does, and no
/// process is left.
#[test]
fn a_thousand_killed_workers() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        let before = descriptors();
        let mut others = Vec::new();
        for n in 0..1_000 {
            let killed = pool.spawn(&RAISE, 9);
            others.push((n, pool.spawn(&DOUBLE, n)));
            assert_eq!(killed.join(), Err(JobError::Died(Ended::Signalled(9))));
        }
        for (n, other) in others {
            assert_eq!(other.join(), Ok(2 * n), "job {n}");
        }
        assert_eq!(pool.worker_stats().died, 1_000);
        let report = pool.shutdown(exec_core::Shutdown::Drain);
        assert_eq!(
            (report.finished, report.cancelled, report.leaked),
            (2_000, 0, 0)
        );
        assert!(zombies().is_empty(), "{:?}", zombies());
        drop(pool);
        assert!(descriptors().len() <= before.len());
    });
}
