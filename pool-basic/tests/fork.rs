//! A child of `fork` has the pool's memory and none of its workers: it is told, and nothing hangs.
#![cfg(unix)]

mod watchdog;

use exec_core::{Executor, JoinError, Reason, Shutdown};
use pool_basic::ThreadPool;
use watchdog::watched;

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
fn in_child(pool: ThreadPool, queued: exec_core::JoinHandle<u32>) -> bool {
    let spawned = pool.try_spawn(|| 7);
    let Err(refused) = spawned else { return false };
    if refused.reason != Reason::Forked || (refused.into_job())() != 7 {
        return false;
    }
    let refused = pool.execute(|| ()).map_err(|refused| refused.reason);
    if refused != Err(Reason::Forked) {
        return false;
    }
    if !matches!(
        pool.spawn(|| 7).join(),
        Err(JoinError::Rejected(Reason::Forked))
    ) {
        return false;
    }
    // A job of the parent's will never end here.
    if !matches!(queued.join(), Err(JoinError::WouldDeadlock)) {
        return false;
    }
    pool.wait_idle();
    let _ = Executor::shutdown(&pool, Shutdown::Drain);
    drop(pool);
    // A pool of its own works.
    let own = ThreadPool::new(2).expect("two threads");
    let seven = own.spawn(|| 7).join();
    matches!(seven, Ok(7)) && own.shutdown().is_clean()
}

#[test]
fn the_child_is_told_and_ends() {
    watched(|| {
        let pool = ThreadPool::new(2).expect("two threads");
        // Both workers sleep, so that none holds a lock when the process is forked.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let held = pool.spawn(move || {
            let _ = wait.recv();
            5
        });
        // The parent keeps its pool: the child works on its own copy of the memory.
        let (pool, held) = (std::mem::ManuallyDrop::new(pool), held);
        let copy = std::cell::Cell::new(Some((pool, held)));
        let good = forked(|| {
            let (pool, held) = copy.take().expect("the child's copy");
            in_child(std::mem::ManuallyDrop::into_inner(pool), held)
        });
        assert!(good, "the child failed or was killed");
        let (pool, held) = copy.take().expect("the parent's own");
        let pool = std::mem::ManuallyDrop::into_inner(pool);
        drop(go);
        assert_eq!(held.join().expect("the parent's pool goes on"), 5);
        assert!(pool.shutdown().is_clean());
    });
}
