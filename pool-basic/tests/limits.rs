//! What cannot be built is an error that says what can; what the system refuses leaves nothing
//! behind.

mod child;
mod watchdog;

use std::error::Error;

use pool_basic::{BuildError, MAX_STACK, MAX_THREADS, MIN_STACK, ThreadPool};
use watchdog::watched;

#[test]
fn no_number_is_one_thread_for_each_cpu() {
    let cpus = std::thread::available_parallelism().expect("known").get();
    assert_eq!(ThreadPool::new(0).expect("built").threads(), cpus);
    let pool = ThreadPool::builder().build().expect("built");
    assert_eq!(pool.threads(), cpus);
    assert_eq!(pool.stats().threads, cpus as u64);
}

#[test]
fn too_many_is_refused_before_anything_is_allocated() {
    for asked in [MAX_THREADS + 1, usize::MAX] {
        let error = ThreadPool::new(asked).expect_err("too many");
        let text = error.to_string();
        assert!(
            matches!(
                error,
                BuildError::TooMany {
                    max: MAX_THREADS,
                    ..
                }
            ),
            "{text}"
        );
        assert!(text.contains(&MAX_THREADS.to_string()), "{text}");
    }
    let error = ThreadPool::builder()
        .threads(1)
        .queue_capacity(usize::MAX)
        .build()
        .expect_err("too many");
    assert!(matches!(error, BuildError::TooMany { .. }), "{error}");
}

#[test]
fn a_large_bound_allocates_nothing_in_advance() {
    let pool = ThreadPool::builder()
        .threads(1)
        .queue_capacity(1 << 40)
        .build()
        .expect("a bound is a number");
    assert_eq!(pool.spawn(|| 5).join().expect("returns"), 5);
}

#[test]
fn a_queue_for_nothing_is_refused() {
    let error = ThreadPool::builder().queue_capacity(0).build();
    let error = error.expect_err("takes no job");
    assert!(error.to_string().contains("at least 1"), "{error}");
}

#[test]
fn bad_stacks_and_names_are_refused() {
    for asked in [0, MIN_STACK - 1, MAX_STACK + 1, usize::MAX] {
        let error = ThreadPool::builder().threads(1).stack_size(asked).build();
        let error = error.expect_err("no such stack");
        let text = error.to_string();
        assert!(matches!(error, BuildError::StackSize { .. }), "{text}");
        assert!(text.contains(&MIN_STACK.to_string()), "{text}");
    }
    let error = ThreadPool::builder().threads(1).name("a\0b").build();
    assert!(matches!(error, Err(BuildError::Name)));
}

#[test]
fn the_smallest_stack_works() {
    watched(|| {
        let pool = ThreadPool::builder().threads(1).stack_size(MIN_STACK);
        let pool = pool.build().expect("small, and enough");
        assert_eq!(pool.spawn(|| 5).join().expect("returns"), 5);
    });
}

/// How many threads this process has.
#[cfg(target_os = "linux")]
fn threads_of_this_process() -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("Linux has it")
        .count()
}

/// The address space, unlike the number of processes, limits root as well.
#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_system_out_of_threads_says_k_of_n_and_ends_the_k() {
    const NAME: &str = "a_system_out_of_threads_says_k_of_n_and_ends_the_k";
    if child::is_child(NAME) {
        let before = threads_of_this_process();
        let error = ThreadPool::builder()
            .threads(64)
            .stack_size(256 << 20)
            .build()
            .expect_err("64 stacks of 256 MiB do not fit");
        let BuildError::Thread { started, of, .. } = &error else {
            panic!("{error}");
        };
        assert!(*started > 0 && started < of, "{error}");
        assert_eq!(*of, 64);
        let text = error.to_string();
        assert!(
            text.contains(&format!("thread {} of 64", started + 1)),
            "{text}"
        );
        assert!(text.contains("ulimit"), "says what to do: {text}");
        assert!(error.source().is_some(), "and what the system says");
        assert_eq!(threads_of_this_process(), before, "none is left behind");
        let pool = ThreadPool::new(1).expect("a small one still fits");
        assert_eq!(pool.spawn(|| 5).join().expect("returns"), 5);
        return;
    }
    let output = child::run(NAME, "ulimit -v 2000000");
    assert!(output.status.success(), "{}", child::text(&output));
}

/// The queue grows until memory ends: the process says so and aborts, it does not lose jobs.
#[test]
#[cfg(target_os = "linux")]
fn a_queue_that_eats_all_memory_aborts_with_a_message() {
    const NAME: &str = "a_queue_that_eats_all_memory_aborts_with_a_message";
    if child::is_child(NAME) {
        let pool = ThreadPool::new(1).expect("one thread");
        let (_go, wait) = std::sync::mpsc::channel::<()>();
        pool.execute(move || {
            let _ = wait.recv();
        })
        .expect("accepted");
        loop {
            pool.execute(|| ()).expect("accepted");
        }
    }
    let output = child::run(NAME, "ulimit -c 0; ulimit -v 300000");
    let text = child::text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("memory allocation of"), "{text}");
}
