//! Faults that take a process of their own: forks, signals, a lack of memory or descriptors.
#![cfg(target_os = "linux")]

mod watched;

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use exec_core::{JoinError, Reason, unwind};
use mini_executor::{BuildError, Runtime, Shutdown, yield_now};
use watched::watched;

/// Runs test `name` of this program again, as a child that knows it is one.
fn child(name: &str) -> Output {
    Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("CHILD", name)
        .output()
        .expect("runs")
}

fn is_child(name: &str) -> bool {
    std::env::var("CHILD").is_ok_and(|child| child == name)
}

/// Lowers a limit of this process.
fn limit(what: libc::__rlimit_resource_t, to: u64) {
    let limit = libc::rlimit {
        rlim_cur: to,
        rlim_max: to,
    };
    // SAFETY: `limit` is valid for the call.
    assert_eq!(unsafe { libc::setrlimit(what, &raw const limit) }, 0);
}

/// Runs `f` in a forked child; whether it returned `true`.
fn forked(f: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls `f`, which uses no lock that another thread of this process could
    // hold but the allocator's, which the system's `fork` sees to, and then `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let good = catch_unwind(AssertUnwindSafe(f));
            let code = i32::from(!matches!(good, Ok(true)));
            // SAFETY: ends the child at once, without what the parent registered for its exit.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: the child is ours and `status` is valid for the call.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[test]
fn a_forked_child_is_told_and_ends() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let waiting = runtime.spawn(std::future::pending::<()>());
        // The parent keeps its own: the child works on a copy of the memory.
        let copy = std::cell::Cell::new(Some((ManuallyDrop::new(runtime), waiting)));
        let good = forked(|| {
            let (runtime, waiting) = copy.take().expect("the child's copy");
            let runtime = ManuallyDrop::into_inner(runtime);
            let refused = runtime.spawn(async { 1 }).join();
            let driven = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {})));
            let text = driven
                .err()
                .and_then(|p| unwind::message(&p).map(str::to_owned));
            let joined = waiting.join();
            let report = runtime.shutdown(Shutdown::Drain);
            drop(runtime);
            // A new one works.
            let new = Runtime::builder().workers(1).build().expect("builds");
            matches!(refused, Err(JoinError::Rejected(Reason::Forked)))
                && text.is_some_and(|text| text.contains("child of fork"))
                && matches!(joined, Err(JoinError::WouldDeadlock))
                && report.is_clean()
                && new.block_on(new.spawn(async { 2 })).is_ok_and(|n| n == 2)
        });
        assert!(good, "the child failed or was killed");
        let (runtime, waiting) = copy.take().expect("the parent's own");
        let runtime = ManuallyDrop::into_inner(runtime);
        assert_eq!(runtime.spawn(async { 3 }).join().expect("goes on"), 3);
        drop(runtime);
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    });
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, SeqCst);
}

#[test]
fn a_storm_of_signals_interrupts_nothing() {
    const NAME: &str = "a_storm_of_signals_interrupts_nothing";
    if !is_child(NAME) {
        let output = child(NAME);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        return;
    }
    watched(|| {
        // SAFETY: an all-zero action is a valid one.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // No SA_RESTART: every wait of every thread is interrupted.
        action.sa_sigaction = on_signal as *const () as usize;
        // SAFETY: the handler touches one atomic, and `action` is valid for the call.
        let set =
            unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        let every = libc::timeval {
            tv_sec: 0,
            tv_usec: 200,
        };
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        // SAFETY: `timer` is valid for the call.
        let set =
            unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let mut rounds = 0;
        while SIGNALS.load(SeqCst) < 200 || rounds < 20 {
            rounds += 1;
            let spawner = runtime.spawner();
            let task = runtime.spawn(async move {
                let before = spawner.now();
                spawner.sleep(Duration::from_millis(1)).await;
                assert!(spawner.now().saturating_since(before) >= Duration::from_millis(1));
                let here = spawner.unblock(|| 5).await.expect("runs");
                yield_now().await;
                here
            });
            assert_eq!(task.join().expect("ends"), 5);
        }
        assert!(runtime.shutdown(Shutdown::Drain).is_clean());
    });
}

#[test]
fn a_lack_of_memory_aborts_with_a_message() {
    const NAME: &str = "a_lack_of_memory_aborts_with_a_message";
    if is_child(NAME) {
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        limit(libc::RLIMIT_AS, 300 << 20);
        let mut kept = Vec::new();
        loop {
            let block = vec![1_u8; 1 << 16];
            kept.push(runtime.spawn(async move {
                std::future::pending::<()>().await;
                block.len()
            }));
        }
    }
    watched(|| {
        let output = child(NAME);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(text.contains("memory allocation of"), "{text}");
    });
}

#[test]
fn a_lack_of_descriptors_is_an_error_of_the_builder() {
    const NAME: &str = "a_lack_of_descriptors_is_an_error_of_the_builder";
    if is_child(NAME) {
        let mut open = Vec::new();
        limit(libc::RLIMIT_NOFILE, 64);
        while let Ok(file) = std::fs::File::open("/dev/null") {
            open.push(file);
        }
        let error = Runtime::builder()
            .workers(1)
            .build()
            .expect_err("no descriptor");
        assert!(matches!(error, BuildError::Reactor(_)), "{error}");
        assert!(error.to_string().contains("close files"), "{error}");
        open.truncate(8);
        let runtime = Runtime::builder()
            .workers(1)
            .build()
            .expect("now it builds");
        assert_eq!(runtime.spawn(async { 1 }).join().expect("runs"), 1);
        return;
    }
    watched(|| {
        let output = child(NAME);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
    });
}
