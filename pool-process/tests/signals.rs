//! Signals interrupt every call that waits; each is made again, and no job notices.

mod jobs;
mod watchdog;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use exec_core::Shutdown;
use jobs::*;
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

static CAUGHT: AtomicU64 = AtomicU64::new(0);

/// Touches one atomic, as a handler may. It calls nothing of the pool, which it must not.
extern "C" fn count(_: libc::c_int) {
    CAUGHT.fetch_add(1, Relaxed);
}

#[test]
fn a_storm_of_signals() {
    watched(|| {
        // Without SA_RESTART, so that calls come back interrupted.
        // SAFETY: zeros are a valid value, which is completed below.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = count as *const () as libc::sighandler_t;
        // SAFETY: the handler is async-signal-safe, and the values are valid for the call.
        let set =
            unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
        assert_eq!(set, 0);

        let pool = pool(2);
        let over = AtomicBool::new(false);
        let me = std::process::id();
        thread::scope(|scope| {
            // Each thread of this process is hit, the supervisor too.
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    for entry in std::fs::read_dir("/proc/self/task")
                        .expect("the list")
                        .flatten()
                    {
                        let tid = entry.file_name().to_string_lossy().parse::<libc::pid_t>();
                        let tid = tid.expect("a number");
                        // SAFETY: has no memory to touch; a thread that is gone is refused.
                        unsafe { libc::syscall(libc::SYS_tgkill, me, tid, libc::SIGUSR1) };
                    }
                    thread::yield_now();
                }
            });
            let large: Vec<u8> = vec![7; 300_000];
            for n in 0..100 {
                let queued: Vec<_> = (0..3).map(|more| pool.spawn(&DOUBLE, n + more)).collect();
                assert_eq!(pool.spawn(&DOUBLE, n).join(), Ok(2 * n));
                for (more, job) in (0..).zip(queued) {
                    let joined = job.join_timeout(Duration::from_secs(60)).expect("in time");
                    assert_eq!(joined, Ok(2 * (n + more)));
                }
            }
            assert_eq!(pool.spawn(&ECHO, large.clone()).join(), Ok(large));
            // Starting and reaping are interrupted as well.
            for _ in 0..5 {
                assert!(pool.spawn(&EXIT, 1).join().is_err());
            }
            pool.wait_idle();
            let report = pool.shutdown(Shutdown::Drain);
            assert_eq!((report.finished, report.leaked), (406, 0));
            over.store(true, Relaxed);
        });
        assert!(CAUGHT.load(Relaxed) > 100, "they came");
    });
}
