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

/// Bytes of address space that this process has.
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("read");
    let pages = pages.split(' ').next().expect("a number").parse::<u64>();
    // SAFETY: it only asks.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.expect("a number") * u64::try_from(page).expect("a size")
}

#[test]
fn a_lack_of_threads_is_an_error_of_the_builder_and_of_closures() {
    const NAME: &str = "a_lack_of_threads_is_an_error_of_the_builder_and_of_closures";
    const STACK: usize = 64 << 20;
    if is_child(NAME) {
        // Room for some stacks, not for all: the system refuses a thread.
        limit(libc::RLIMIT_AS, address_space() + 10 * STACK as u64);
        let error = Runtime::builder()
            .workers(32)
            .stack_size(STACK)
            .build()
            .expect_err("no room for so many");
        let BuildError::Thread { started, asked, .. } = error else {
            panic!("{error}");
        };
        assert!((1..11).contains(&started), "{error}");
        assert_eq!(asked, 32);
        let text = error.to_string();
        let which = format!("worker {} of 32", started + 1);
        assert!(text.contains(&which), "{text}");
        assert!(text.contains("ask for fewer workers"), "{text}");
        // The first ones have ended, and their stacks are free again.
        let runtime = Runtime::builder().workers(2).stack_size(STACK).build();
        let runtime = runtime.expect("room for two");
        // Later, too: closures for which there is no thread wait for one that there is.
        limit(libc::RLIMIT_AS, address_space() + (16 << 20));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Arc::new(std::sync::Mutex::new(held));
        let closures: Vec<_> = (0..64)
            .map_while(|_| {
                let held = held.clone();
                let taken = runtime.try_spawn_blocking(move || {
                    drop(held.lock().map(|held| held.recv()));
                    std::thread::current().id()
                });
                // Or comes back, if there is none at all.
                if let Err(back) = &taken {
                    assert!(matches!(back.reason, Reason::OutOfThreads(_)), "{back}");
                }
                taken.ok()
            })
            .collect();
        drop(release);
        let threads: std::collections::HashSet<_> = closures
            .into_iter()
            .map(|closure| closure.join().expect("none is lost"))
            .collect();
        assert!(threads.len() < 64, "there was no lack");
        assert_eq!(runtime.spawn(async { 1 }).join().expect("intact"), 1);
        return;
    }
    watched(|| {
        let output = child(NAME);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
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
