//! Nothing is left behind: no descriptor, no process, and no worker that outlives its parent.

mod jobs;
mod watchdog;

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use exec_core::Shutdown;
use jobs::*;
use pool_process::JobError;
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

/// One test, since the descriptors are the whole process's.
#[test]
fn descriptors_are_given_back_and_inherited_by_nobody() {
    watched(|| {
        let _alone = alone();
        drop(pool(1));
        let before = descriptors();
        let without = CHILD_SEES.call(());
        for workers in [1, 3] {
            let pool = pool(workers);
            for _ in 0..10 {
                assert!(pool.spawn(&EXIT, 1).join().is_err());
                assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
            }
            // A worker has its three standard ones, and the socket; standard input is empty. What
            // its parent has besides, like the other workers' sockets, is not among them.
            let seen = pool.spawn(&DESCRIPTORS, ()).join().expect("runs");
            let sockets = seen.iter().filter(|fd| fd.contains("socket:")).count();
            assert_eq!(sockets, 1, "{seen:?}");
            assert!(seen.iter().any(|fd| fd == "0 /dev/null"), "{seen:?}");
            // What this process was itself started with is not the pool's.
            let others = seen.iter().filter(|fd| !before.contains(fd)).count();
            assert!(others <= 3, "{seen:?} beyond {before:?}");
            // A program that a job starts gets what one gets that this process starts, without a
            // pool, and nothing to read.
            let seen = pool.spawn(&CHILD_SEES, ()).join().expect("runs");
            assert_eq!(seen, without);
            assert_eq!(CHILD_SEES.call(()), without);
            assert!(pool.shutdown(Shutdown::Drain).is_clean());
            drop(pool);
            assert_eq!(descriptors(), before);
            assert!(children().is_empty(), "{:?}", children());
        }
    });
}

/// A process that a job leaves behind ends with the worker, and holds up nobody.
#[test]
fn what_a_job_leaves_behind_ends_with_its_worker() {
    watched(|| {
        let _alone = alone();
        let pool = pool(1);
        let child = pool.spawn(&LEAVE_CHILD, ()).join().expect("runs");
        assert!(exists(child));
        assert!(pool.spawn(&EXIT, 1).join().is_err());
        // Its own parent is gone: it is gone when init has seen to it.
        until(|| {
            let stat = fs::read_to_string(format!("/proc/{child}/stat"));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        });
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
    });
}

/// The parent of the test below: builds a pool, leaks it, tells its workers, waits to be killed.
#[test]
fn parent() {
    if env::var_os("POOL_PROCESS_TEST_PARENT").is_none() {
        return;
    }
    let pool = std::mem::ManuallyDrop::new(pool(2));
    // One worker is busy and never looks at its socket again.
    pool.spawn(&SPIN, ()).detach();
    let mut out = std::io::stderr();
    writeln!(out, "workers {:?}", pool.worker_ids()).expect("a pipe");
    if env::var_os("POOL_PROCESS_TEST_PARENT").is_some_and(|how| how == "exit") {
        std::process::exit(0);
    }
    loop {
        std::thread::park();
    }
}

/// Whether the parent is killed or exits with its pool leaked, its workers end.
#[test]
fn workers_end_with_their_parent() {
    watched(|| {
        let _alone = alone();
        for how in ["exit", "killed"] {
            let mut parent = Command::new(env::current_exe().expect("the program knows itself"))
                .args(["--exact", "parent", "--nocapture"])
                .env("POOL_PROCESS_TEST_PARENT", how)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("runs");
            let out = BufReader::new(parent.stderr.take().expect("a pipe"));
            let line = out
                .lines()
                .map_while(Result::ok)
                .find(|line| line.starts_with("workers "));
            let line = line.expect("it tells its workers");
            let pids: Vec<u32> = line
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|word| word.parse().ok())
                .collect();
            assert_eq!(pids.len(), 2, "{line}");
            if how == "killed" {
                parent.kill().expect("it is ours");
            }
            parent.wait().expect("it is ours");
            for pid in pids {
                until(|| {
                    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
                    stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
                });
            }
        }
    });
}

/// Something else in this process waits for any child: the job has an end, if without a status.
#[test]
fn a_stolen_status_is_no_hang() {
    watched(|| {
        let _alone = alone();
        let program = env::current_exe().expect("the program knows itself");
        let output = Command::new(program)
            .args(["--exact", "ignores_its_children", "--nocapture"])
            .env("POOL_PROCESS_TEST_PARENT", "ignores")
            .output()
            .expect("runs");
        assert!(output.status.success(), "{output:?}");
    });
}

/// In a process of its own, since the setting is the whole process's.
#[test]
fn ignores_its_children() {
    if env::var_os("POOL_PROCESS_TEST_PARENT").is_none() {
        return;
    }
    // SAFETY: no handler is installed; the system reaps children by itself from now on.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let pool = pool(1);
    let error = pool.spawn(&EXIT, 1).join();
    assert!(matches!(error, Err(JobError::Died(_))), "{error:?}");
    assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
    assert!(pool.shutdown(Shutdown::Drain).is_clean());
}
