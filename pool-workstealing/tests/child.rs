//! What can only be tried in a process of its own: a thread limit, a fork, a stack overflow.
//!
//! Each case runs this test program again with a variable that names the case.
#![cfg(target_os = "linux")]

mod watchdog;

use std::{
    env,
    process::{Command, Output},
};

use exec_core::{JoinError, Reason, Shutdown};
use pool_workstealing::{BuildError, ThreadPool, Worker};
use watchdog::watched;

const CASE: &str = "POOL_WORKSTEALING_CASE";

/// Runs `case` in a child, or, when this is the child, runs `body` and ends.
fn in_child(case: &str, body: fn()) -> Option<Output> {
    if env::var(CASE).is_ok_and(|name| name == case) {
        body();
        std::process::exit(0);
    }
    let this = env::current_exe().expect("the test program");
    let child = Command::new(this)
        .args([case, "--exact", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .expect("a child process");
    Some(child)
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The system gives k of n threads: the error says so, and the k were joined.
#[test]
fn a_thread_limit_is_an_error() {
    watched(30, || {
        let child = in_child("a_thread_limit_is_an_error", || {
            // Each stack is 1 GiB of address space, and there are only a few of those.
            let limit = libc::rlimit {
                rlim_cur: 6 << 30,
                rlim_max: 6 << 30,
            };
            // SAFETY: the limit is readable.
            let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
            assert_eq!(set, 0);
            let built = pool_workstealing::ThreadPoolBuilder::new()
                .num_threads(64)
                .stack_size(1 << 30)
                .build();
            match built {
                Err(BuildError::Thread { started, asked, .. }) => {
                    assert!(started >= 1 && asked == 64, "{started} of {asked}");
                }
                other => panic!("{other:?}"),
            }
            let threads = std::fs::read_dir("/proc/self/task").expect("tasks").count();
            assert!(threads <= 3, "{threads} threads are left");
            println!("refused well");
        });
        if let Some(child) = child {
            assert!(text(&child).contains("refused well"), "{}", text(&child));
            assert!(child.status.success());
        }
    });
}

/// A child of a fork has no workers: it hears so, and ends.
#[test]
fn a_forked_child_is_refused() {
    watched(30, || {
        let child = in_child("a_forked_child_is_refused", || {
            let pool = ThreadPool::new(2).expect("a pool");
            assert_eq!(pool.install(|| 1), 1);
            // SAFETY: the child calls nothing but what the pool promises to survive.
            match unsafe { libc::fork() } {
                0 => {
                    let refused = pool.try_spawn(|| ()).expect_err("no workers here");
                    assert_eq!(refused.reason, Reason::Forked);
                    drop(refused);
                    let told = pool.spawn_with_handle(|| 1).join();
                    assert!(matches!(told, Err(JoinError::Rejected(Reason::Forked))));
                    assert_eq!(pool.install(|| 2), 2, "on the caller");
                    assert_eq!(pool.join(|| 3, || 4), (3, 4));
                    let _ = pool.shutdown(Shutdown::Drain);
                    drop(pool);
                    // SAFETY: ends this process.
                    unsafe { libc::_exit(7) };
                }
                pid => {
                    let mut status = 0;
                    // SAFETY: `status` is writable.
                    unsafe { libc::waitpid(pid, &raw mut status, 0) };
                    assert_eq!(libc::WEXITSTATUS(status), 7, "the child failed");
                    assert_eq!(pool.install(|| 5), 5, "the parent goes on");
                    println!("forked well");
                }
            }
        });
        if let Some(child) = child {
            assert!(text(&child).contains("forked well"), "{}", text(&child));
        }
    });
}

fn deep(worker: &Worker, left: u64) -> u64 {
    if left == 0 {
        return 0;
    }
    let (a, b) = worker.join(|w| deep(w, left - 1), |_| 1);
    a + b
}

/// A recursion that no stack can hold ends at the guard page, with the name of the worker.
#[test]
fn a_recursion_without_end_meets_the_guard_page() {
    watched(30, || {
        let child = in_child("a_recursion_without_end_meets_the_guard_page", || {
            let pool = ThreadPool::new(2).expect("a pool");
            let depth = pool.install_worker(|worker| deep(worker, 1_000_000));
            println!("survived {depth}");
        });
        if let Some(child) = child {
            assert!(!child.status.success());
            let text = text(&child);
            assert!(
                text.contains("ws-") && text.contains("overflowed its stack"),
                "{text}"
            );
        }
    });
}

/// With a stack that holds it, a recursion of a million joins is no problem.
#[test]
fn a_million_joins_deep_works_on_a_large_stack() {
    watched(30, || {
        let pool = pool_workstealing::ThreadPoolBuilder::new()
            .num_threads(2)
            .stack_size(1 << 30)
            .build()
            .expect("a pool");
        assert_eq!(
            pool.install_worker(|worker| deep(worker, 1_000_000)),
            1_000_000
        );
    });
}

/// The process may end while workers run.
#[test]
fn the_process_may_end_while_workers_run() {
    watched(30, || {
        let child = in_child("the_process_may_end_while_workers_run", || {
            let pool = ThreadPool::new(2).expect("a pool");
            for _ in 0..1_000 {
                pool.spawn(|| {
                    std::hint::black_box((0..10_000).sum::<u64>());
                });
            }
            std::mem::forget(pool);
        });
        if let Some(child) = child {
            assert!(child.status.success(), "{}", text(&child));
        }
    });
}
