//! What can only be tried in a process of its own: limits, a fork, signals, a stack overflow.
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

/// A payload that panics when it is dropped, with another such payload, so many times.
struct Payload(u32);

impl Drop for Payload {
    fn drop(&mut self) {
        if self.0 != 0 {
            std::panic::panic_any(Payload(self.0 - 1));
        }
    }
}

/// However often a payload panics when it is thrown away, no unwind leaves a worker.
#[test]
fn a_payload_that_panics_again_and_again_is_survived() {
    watched(30, || {
        let child = in_child("a_payload_that_panics_again_and_again_is_survived", || {
            std::panic::set_hook(Box::new(|_| ()));
            let pool = ThreadPool::new(2).expect("a pool");
            for _ in 0..50 {
                pool.spawn(|| std::panic::panic_any(Payload(3)));
                drop(pool.spawn_with_handle(|| std::panic::panic_any(Payload(3))));
                // Of two panics in a scope, and of a stolen half, the later one is thrown away.
                let seen = std::panic::catch_unwind(|| {
                    pool.scope(|s| {
                        for _ in 0..2 {
                            s.spawn(|_| std::panic::panic_any(Payload(2)));
                        }
                    });
                });
                std::mem::forget(seen.expect_err("it panics"));
            }
            assert_eq!(pool.install(|| 4), 4);
            assert!(pool.shutdown(Shutdown::Drain).is_clean());
            println!("went on");
        });
        if let Some(child) = child {
            assert!(text(&child).contains("went on"), "{}", text(&child));
        }
    });
}

/// Jobs that nobody runs take memory until there is none: the process ends and says so.
#[test]
fn out_of_memory_is_an_abort_with_a_message() {
    watched(60, || {
        let child = in_child("out_of_memory_is_an_abort_with_a_message", || {
            let pool = ThreadPool::new(1).expect("a pool");
            let (begun, begin) = std::sync::mpsc::channel();
            pool.spawn(move || {
                begun.send(()).expect("the test waits");
                loop {
                    std::thread::park();
                }
            });
            begin.recv().expect("the worker is held");
            let pages = std::fs::read_to_string("/proc/self/statm").expect("sizes");
            let pages = pages.split(' ').next().and_then(|n| n.parse::<u64>().ok());
            let bytes = pages.expect("a number") * 4096 + (48 << 20);
            let limit = libc::rlimit {
                rlim_cur: bytes,
                rlim_max: bytes,
            };
            // SAFETY: the limit is readable.
            let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
            assert_eq!(set, 0);
            loop {
                pool.spawn(|| ());
            }
        });
        if let Some(child) = child {
            use std::os::unix::process::ExitStatusExt as _;
            let text = text(&child);
            assert!(text.contains("memory allocation of"), "{text}");
            assert_eq!(child.status.signal(), Some(libc::SIGABRT), "{text}");
        }
    });
}

/// Signals that interrupt workers anywhere, in a wait for work too, harm nothing.
#[test]
fn signals_on_workers_harm_nothing() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: libc::c_int) {
        HANDLED.fetch_add(1, SeqCst);
    }
    watched(60, || {
        let child = in_child("signals_on_workers_harm_nothing", || {
            let handler: extern "C" fn(libc::c_int) = count;
            // SAFETY: the handler only adds to an atomic.
            unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
            let pool = ThreadPool::new(2).expect("a pool");
            let workers = pool.broadcast(|_| {
                // SAFETY: asks for a number.
                unsafe { libc::gettid() }
            });
            let (over, ran) = (AtomicBool::new(false), AtomicUsize::new(0));
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    let process = std::process::id();
                    while !over.load(SeqCst) {
                        for &worker in &workers {
                            // SAFETY: the workers live until the pool is dropped.
                            unsafe {
                                libc::syscall(libc::SYS_tgkill, process, worker, libc::SIGUSR1)
                            };
                        }
                        std::thread::yield_now();
                    }
                });
                let mut rounds = 0;
                while rounds < 300 || HANDLED.load(SeqCst) < 100 {
                    pool.scope(|s| {
                        for _ in 0..20 {
                            s.spawn(|_| {
                                ran.fetch_add(1, SeqCst);
                            });
                        }
                    });
                    assert_eq!(pool.spawn_with_handle(|| 1).join().expect("runs"), 1);
                    rounds += 1;
                }
                over.store(true, SeqCst);
                assert_eq!(ran.load(SeqCst), 20 * rounds);
            });
            println!("went on");
        });
        if let Some(child) = child {
            assert!(text(&child).contains("went on"), "{}", text(&child));
        }
    });
}
