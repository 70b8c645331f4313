//! A child of `fork` has the pool's memory, and its parent's workers: it is told, and harms nobody.

mod jobs;
mod watchdog;

use exec_core::Shutdown;
use jobs::*;
use pool_process::{JobError, JoinHandle, ProcessPool, Reason};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

/// Runs `child` in a forked child; `true` when it returned `true`.
fn forked(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls `child`, which uses no lock that another thread of this process
    // could hold but the allocator's, which the system's `fork` sees to, and then `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            let code = i32::from(!matches!(good, Ok(true)));
            // SAFETY: ends the child at once, without what the parent registered for its exit.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: the child is ours and `status` is valid for the call.
            let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
            assert_eq!(waited, pid);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

/// What the child finds; each `false` fails the test.
fn in_child(pool: ProcessPool, mut running: Vec<JoinHandle<()>>) -> bool {
    let Err(refused) = pool.try_spawn(&DOUBLE, 7) else {
        return false;
    };
    if refused.reason != Reason::Forked || refused.args != 7 {
        return false;
    }
    let told = Err(JobError::Rejected(Reason::Forked));
    if running.pop().is_none_or(|job| job.join() != told) {
        return false;
    }
    if running
        .iter()
        .any(|job| job.cancel() || job.kill() || !job.is_finished())
    {
        return false;
    }
    drop(running);
    pool.wait_idle();
    let _ = pool.shutdown(Shutdown::Now);
    let none = pool.worker_ids().is_empty() && pool.stats().scheduled == 0;
    drop(pool);
    none
}

#[test]
fn the_child_is_told_and_the_parents_workers_live() {
    watched(|| {
        let pool = pool(2);
        let running = vec![pool.spawn(&HANG, ()), pool.spawn(&HANG, ())];
        let before = pool.worker_ids();
        // The child works on its own copy of the memory.
        let copy = std::cell::Cell::new(Some((pool, running)));
        let good = forked(|| {
            let (pool, running) = copy.take().expect("the child's copy");
            in_child(pool, running)
        });
        assert!(good, "the child failed or was killed");
        let (pool, running) = copy.take().expect("the parent's own");
        assert_eq!(pool.worker_ids(), before);
        assert!(running.iter().all(|job| !job.is_finished()));
        assert!(running[0].kill());
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        let report = pool.shutdown(Shutdown::Now);
        assert_eq!(
            (report.finished, report.cancelled, report.leaked),
            (1, 2, 0)
        );
    });
}
