//! The names of the workers, as a process viewer sees them.
#![cfg(target_os = "linux")]

mod watchdog;

use std::{collections::BTreeSet, fs};

use pool_basic::ThreadPool;
use watchdog::watched;

/// The names of all threads of this process that begin with `prefix`.
fn names(prefix: &str) -> BTreeSet<String> {
    fs::read_dir("/proc/self/task")
        .expect("Linux has it")
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

#[test]
fn each_worker_has_a_name_and_a_number() {
    watched(|| {
        let pool = ThreadPool::builder()
            .threads(3)
            .name("named")
            .build()
            .expect("three threads");
        // A thread names itself when it starts; all have when all wait for jobs.
        pool.wait_idle();
        let expected = ["named-0", "named-1", "named-2"].map(String::from);
        assert_eq!(names("named-"), BTreeSet::from(expected));
        let inside = pool.spawn(|| std::thread::current().name().map(String::from));
        let inside = inside.join().expect("returns").expect("named");
        assert!(inside.starts_with("named-"), "{inside}");
        drop(pool);
        assert_eq!(names("named-"), BTreeSet::new(), "joined, so gone");
    });
}

#[test]
fn the_default_name_tells_the_crate() {
    watched(|| {
        let pool = ThreadPool::new(1).expect("one thread");
        pool.wait_idle();
        assert!(names("pool-basic-").contains("pool-basic-0"));
        assert_eq!(pool.spawn(|| 5).join().expect("returns"), 5);
    });
}
