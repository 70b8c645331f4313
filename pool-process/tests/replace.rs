//! Workers that die are replaced, and no job is lost or run twice because of it.

mod jobs;
mod watchdog;

use std::{collections::HashMap, fs, process::Command};

use exec_core::Shutdown;
use jobs::*;
use pool_process::{BuildError, JobError, ProcessPool, Reason};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).expect("a number");
    // SAFETY: has no memory to touch.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Somebody kills workers at any moment while jobs go through. A job that was begun fails or has run
/// once, one that was not is run by another worker.
#[test]
fn a_killer_loses_only_what_it_hits() {
    watched(|| {
        let _alone = alone();
        let pool = pool(2);
        let path = fresh_file("killer");
        let (mut fine, mut hit) = (Vec::new(), Vec::new());
        for round in 0..60 {
            let noted: Vec<_> = (0..6)
                .map(|n| {
                    let line = format!("{round}-{n}");
                    (line.clone(), pool.spawn(&NOTE, (path.clone(), line)))
                })
                .collect();
            for pid in pool.worker_ids().into_iter().take(1 + round % 2) {
                kill(pid);
            }
            for (line, job) in noted {
                match job.join() {
                    Ok(()) => fine.push(line),
                    Err(JobError::Died(_)) => hit.push(line),
                    other => panic!("{line}: {other:?}"),
                }
            }
        }
        let text = fs::read_to_string(&path).expect("the notes");
        let mut times = HashMap::new();
        for line in text.lines() {
            *times.entry(line.to_owned()).or_insert(0) += 1;
        }
        for line in &fine {
            assert_eq!(times.get(line), Some(&1), "{line} has run once");
        }
        for line in &hit {
            assert!(times.get(line).is_none_or(|times| *times == 1), "{line}");
        }
        // A kill hits the one job that its worker had.
        assert!(hit.len() as u64 <= pool.worker_stats().died, "{hit:?}");
        let report = pool.shutdown(Shutdown::Drain);
        assert_eq!(report.finished, 360);
        assert!(zombies().is_empty());
        fs::remove_file(path).expect("it is ours");
    });
}

/// Idle workers that are killed cost no job at all.
#[test]
fn idle_workers_may_die() {
    watched(|| {
        let _alone = alone();
        let pool = pool(1);
        for n in 0..50 {
            let pid = pool.spawn(&PID, ()).join().expect("runs");
            kill(pid);
            // The job may be sent to the dying worker; it was not begun there.
            assert_eq!(pool.spawn(&DOUBLE, n).join(), Ok(2 * n));
        }
        assert_eq!(pool.worker_stats().died, 50);
    });
}

/// A program whose workers don't come as far as `init` is told, with the number and the reason.
#[test]
fn workers_that_die_at_their_start_are_an_error() {
    watched(|| {
        let _alone = alone();
        jobs::init();
        // The harness finds no such test, and ends.
        let built = ProcessPool::builder()
            .workers(3)
            .test("no_such_test")
            .build();
        let Err(BuildError::Worker {
            ready: 0,
            of: 3,
            why,
        }) = built
        else {
            panic!("{built:?}");
        };
        assert!(
            why.contains("exited with code 0") && why.contains("init"),
            "{why}"
        );
        assert!(children().is_empty(), "{:?}", children());

        // Without prefork it shows when a job needs one: no spinning, and the job hears why.
        let builder = ProcessPool::builder().workers(2).prefork(false);
        let pool = builder.test("no_such_test").build().expect("no worker yet");
        let refused = pool.spawn(&DOUBLE, 4).join();
        let Err(JobError::Rejected(Reason::NoWorker(why))) = &refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("init"), "{why}");
        let started = pool.worker_stats().started;
        assert!((8..20).contains(&started), "{started}");
        let refused = pool.try_spawn(&DOUBLE, 5).expect_err("still none");
        assert!(matches!(refused.reason, Reason::NoWorker(_)));
        assert_eq!(refused.into_args(), 5);
        assert!(pool.shutdown(Shutdown::Drain).leaked == 0);
    });
}

/// A worker that never gets ready is killed when its time is up.
#[test]
fn workers_that_hang_at_their_start_are_an_error() {
    watched(|| {
        let _alone = alone();
        jobs::init();
        let built = ProcessPool::builder()
            .workers(1)
            .test("sleeper")
            .start_timeout(std::time::Duration::from_millis(200))
            .build();
        let Err(BuildError::Worker { why, .. }) = built else {
            panic!("{built:?}");
        };
        assert!(why.contains("not ready in time"), "{why}");
        assert!(children().is_empty(), "{:?}", children());
    });
}

/// Where a worker of the test above comes in; it does not call `init`.
#[test]
fn sleeper() {
    if std::env::var_os("POOL_PROCESS_WORKER_OF").is_some() {
        // Instead, it tries to build a pool, and hears what is wrong; else each of its workers
        // would do the same.
        let built = ProcessPool::new(1);
        assert!(matches!(built, Err(BuildError::InsideWorker)), "{built:?}");
        loop {
            std::thread::park();
        }
    }
}

/// The mark in the environment makes no worker of what a job starts.
#[test]
fn what_a_job_starts_is_no_worker() {
    let program = std::env::current_exe().expect("the program knows itself");
    let mut command = Command::new(program);
    command.args(["--exact", "sleeper_is_no_worker"]);
    command.env("POOL_PROCESS_WORKER_OF", "1");
    assert!(command.output().expect("runs").status.success());
}

#[test]
fn sleeper_is_no_worker() {
    // A worker would never return from this.
    jobs::init();
    assert!(ProcessPool::builder().prefork(false).build().is_ok());
}

#[test]
fn workers_are_started_when_they_are_needed() {
    watched(|| {
        let _alone = alone();
        let pool = builder()
            .workers(3)
            .prefork(false)
            .build()
            .expect("none yet");
        assert_eq!(pool.worker_stats().started, 0);
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        assert_eq!(pool.spawn(&DOUBLE, 5).join(), Ok(10));
        assert_eq!(
            pool.worker_stats().started,
            1,
            "the one that is idle is enough"
        );
        let go = fresh_file("needed");
        let waiting: Vec<_> = (0..3).map(|_| pool.spawn(&WAIT_FOR, go.clone())).collect();
        until(|| pool.worker_stats().started == 3);
        fs::write(&go, "go").expect("a file");
        for job in waiting {
            assert_eq!(job.join(), Ok(2));
        }
        fs::remove_file(go).expect("it is ours");
    });
}
