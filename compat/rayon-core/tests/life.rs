//! How pools begin and end: handlers, drops, the current thread as a worker.

mod watchdog;

use std::{
    process::Command,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use rayon_core::{ThreadPoolBuilder, Yield};
use watchdog::within_30_s;

#[test]
fn dropping_a_pool_cuts_nothing_off() {
    within_30_s(|| {
        let (send, receive) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let pool = ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .expect("threads");
        pool.spawn(move || {
            // The pool was dropped when this comes.
            wait.recv().expect("the test says go");
            for n in 0..100 {
                let send = send.clone();
                rayon_core::spawn(move || send.send(n).expect("the test listens"));
            }
        });
        drop(pool);
        go.send(()).expect("the closure waits");
        let mut numbers: Vec<i32> = receive.iter().collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..100));
    });
}

#[test]
fn the_threads_of_a_dropped_pool_end() {
    within_30_s(|| {
        let exits = Arc::new(AtomicUsize::new(0));
        let counted = exits.clone();
        let mut threads = Vec::new();
        let pool = ThreadPoolBuilder::new()
            .num_threads(4)
            .exit_handler(move |_| {
                counted.fetch_add(1, Relaxed);
            })
            .spawn_handler(|thread| {
                threads.push(thread::spawn(|| thread.run()));
                Ok(())
            })
            .build()
            .expect("threads");
        assert_eq!(pool.install(|| 1), 1);
        drop(pool);
        for thread in threads {
            thread.join().expect("a worker does not panic");
        }
        assert_eq!(exits.load(Relaxed), 4);
    });
}

#[test]
fn a_pool_can_be_dropped_by_its_own_worker() {
    within_30_s(|| {
        let pool = Arc::new(
            ThreadPoolBuilder::new()
                .num_threads(2)
                .build()
                .expect("threads"),
        );
        let (send, receive) = mpsc::channel();
        let last = pool.clone();
        let both = Arc::new(Barrier::new(2));
        let met = both.clone();
        pool.spawn(move || {
            met.wait();
            drop(last);
            rayon_core::spawn(move || send.send("after the drop").expect("the test listens"));
        });
        drop(pool);
        both.wait();
        assert_eq!(receive.recv(), Ok("after the drop"));
    });
}

#[test]
fn a_thread_that_becomes_a_worker_goes_on() {
    within_30_s(|| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(2)
            .use_current_thread()
            .build()
            .expect("one more thread");
        assert_eq!(pool.current_thread_index(), Some(0));
        assert_eq!(rayon_core::current_num_threads(), 2);
        let again = ThreadPoolBuilder::new().use_current_thread().build();
        assert!(again.is_err());
        let (a, b) = rayon_core::join(|| 6, || 7);
        assert_eq!(a * b, 42);
        let indices = pool.broadcast(|context| context.index());
        assert_eq!(indices, [0, 1]);
    });
}

#[test]
fn yielding_runs_what_is_there() {
    within_30_s(|| {
        assert_eq!(rayon_core::yield_now(), None);
        assert_eq!(rayon_core::current_thread_has_pending_tasks(), None);
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a thread");
        pool.install(|| {
            let (send, receive) = mpsc::channel();
            assert_eq!(rayon_core::yield_local(), Some(Yield::Idle));
            rayon_core::spawn(move || send.send(5).expect("the test listens"));
            assert_eq!(rayon_core::current_thread_has_pending_tasks(), Some(true));
            assert_eq!(pool.yield_local(), Some(Yield::Executed));
            assert_eq!(receive.try_recv(), Ok(5));
            assert_eq!(pool.yield_now(), Some(Yield::Idle));
        });
    });
}

#[test]
fn pools_that_wait_for_each_other_go_on() {
    within_30_s(|| {
        let build = |threads| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads")
        };
        for threads in [1, 3] {
            let (a, b) = (build(threads), build(threads));
            let depth = a.install(|| b.install(|| a.install(|| b.install(|| 4))));
            assert_eq!(depth, 4);
            let count = AtomicUsize::new(0);
            a.broadcast(|_| {
                b.broadcast(|_| {
                    a.broadcast(|_| {
                        count.fetch_add(1, Relaxed);
                    });
                });
            });
            assert_eq!(count.into_inner(), threads * threads * threads);
        }
    });
}

/// Both ends of a test in a process of its own: the parent runs the child by the test's name.
fn child(test: &str, variables: &[(&str, &str)]) -> std::process::Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", test, "--nocapture"])
        .env("RAYON_CORE_TEST_CHILD", "1")
        .envs(variables.iter().copied());
    command.output().expect("a child process")
}

fn is_child() -> bool {
    std::env::var_os("RAYON_CORE_TEST_CHILD").is_some()
}

#[test]
fn the_environment_sets_the_number_of_threads() {
    if is_child() {
        let old = std::env::var_os("RAYON_NUM_THREADS").is_none();
        assert_eq!(rayon_core::current_num_threads(), if old { 3 } else { 5 });
        return;
    }
    let test = "the_environment_sets_the_number_of_threads";
    let both = [("RAYON_NUM_THREADS", "5"), ("RAYON_RS_NUM_CPUS", "3")];
    for variables in [&both[..], &both[1..]] {
        let output = child(test, variables);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_panic_that_nobody_handles_aborts() {
    if is_child() {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a thread");
        pool.spawn(|| panic!("nobody handles this"));
        // Never comes back: the only worker has taken the process with it.
        pool.install(|| ());
        return;
    }
    let output = child("a_panic_that_nobody_handles_aborts", &[]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nobody handles this"), "{said}");
    assert!(said.contains("no panic handler"), "{said}");
}

#[test]
fn the_global_pool_is_built_once() {
    if is_child() {
        let build = |threads| ThreadPoolBuilder::new().num_threads(threads).build_global();
        build(3).expect("the first time");
        let again = build(4).expect_err("the second time");
        assert!(again.to_string().contains("already"));
        assert_eq!(rayon_core::current_num_threads(), 3);
        return;
    }
    let output = child("the_global_pool_is_built_once", &[]);
    assert!(output.status.success(), "{output:?}");
}
