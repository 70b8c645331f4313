//! What cannot be is refused before anything is started; what the system refuses is said.

mod jobs;
mod watchdog;

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use jobs::*;
use pool_process::{BuildError, JobError, MAX_WORKERS, MIN_MEMORY, ProcessPool, Reason};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use watchdog::watched;

#[test]
fn worker() {
    jobs::init();
}

#[test]
fn numbers_that_cannot_be() {
    let cases = [
        (builder().workers(usize::MAX), "too many; at most 1024"),
        (builder().workers(MAX_WORKERS + 1), "too many; at most 1024"),
        (builder().queue_capacity(0), "at least one place"),
        (builder().queue_capacity(usize::MAX), "too many"),
        (builder().memory_limit(0), "give at least"),
        (builder().memory_limit(MIN_MEMORY - 1), "give at least"),
        (builder().time_limit(Duration::ZERO), "no limit"),
        (builder().start_timeout(Duration::ZERO), "no limit"),
        (builder().name("a\0b"), "NUL"),
        (builder().args(["a\0b"]), "NUL"),
    ];
    for (builder, says) in cases {
        let asked = format!("{builder:?}");
        let error = builder.build().expect_err(&asked).to_string();
        assert!(error.contains(says), "{asked}: {error}");
    }
}

#[test]
fn zero_workers_are_one_a_cpu() {
    watched(|| {
        let pool = pool(0);
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(pool.workers(), cpus);
        assert_eq!(pool.worker_ids().len(), cpus);
        assert_eq!(pool.caps().workers, cpus);
        assert_eq!(pool.queue_capacity(), None);
    });
}

#[test]
fn limits_at_their_ends() {
    watched(|| {
        let builder = builder().workers(1).memory_limit(u64::MAX - 1);
        let pool = builder
            .time_limit(Duration::MAX)
            .build()
            .expect("as good as no limit");
        assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
        let refused = pool.spawn_within(Duration::ZERO, &DOUBLE, 4).join();
        assert_eq!(refused, Err(JobError::Rejected(Reason::NoTime)));
    });
}

/// The system has descriptors for some of the workers only: the error says for how many, and none
/// is left. In a process of its own, with limits of its own.
#[test]
fn workers_that_the_system_refuses() {
    watched(|| {
        let program = env::current_exe().expect("the program knows itself");
        for limit in 8..24 {
            let output = Command::new("sh")
                .arg("-c")
                .arg(format!(
                    "ulimit -n {limit}; exec \"$0\" --exact few --nocapture"
                ))
                .arg(&program)
                .env("POOL_PROCESS_TEST_FEW", limit.to_string())
                .stdin(Stdio::null())
                .output()
                .expect("a shell");
            assert!(output.status.success(), "{limit}: {output:?}");
        }
    });
}

#[test]
fn few() {
    if env::var_os("POOL_PROCESS_TEST_FEW").is_none() {
        return;
    }
    let before = descriptors();
    let error = match builder().workers(8).build() {
        Ok(pool) => panic!(
            "eight workers in so few descriptors: {:?}",
            pool.worker_ids()
        ),
        Err(error) => error,
    };
    match &error {
        BuildError::Poller(source) => assert_eq!(source.raw_os_error(), Some(libc::EMFILE)),
        BuildError::Worker { ready, of: 8, why } => {
            assert!(*ready < 8, "{error}");
            assert!(why.contains("ulimit -n"), "{error}");
        }
        _ => panic!("{error}"),
    }
    assert!(children().is_empty(), "{:?}", children());
    assert_eq!(descriptors(), before);
}

/// Descriptors end while the pool runs: jobs go on with the workers that are there, and the pool
/// is whole again when there are some.
#[test]
fn descriptors_that_end_later() {
    watched(|| {
        let program = env::current_exe().expect("the program knows itself");
        let output = Command::new(program)
            .args(["--exact", "later", "--nocapture"])
            .env("POOL_PROCESS_TEST_FEW", "later")
            .output()
            .expect("runs");
        assert!(output.status.success(), "{output:?}");
    });
}

#[test]
fn later() {
    if env::var_os("POOL_PROCESS_TEST_FEW").is_none_or(|few| few != "later") {
        return;
    }
    let pool = pool(2);
    let limit = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(3),
        ..limit
    };
    setrlimit(Resource::Nofile, few).expect("less is allowed");
    assert!(pool.spawn(&EXIT, 1).join().is_err());
    until(|| pool.worker_stats().alive == 1);
    for n in 0..20 {
        assert_eq!(
            pool.spawn(&DOUBLE, n).join(),
            Ok(2 * n),
            "the other one is there"
        );
    }
    setrlimit(Resource::Nofile, limit).expect("it was the limit before");
    until(|| pool.worker_stats().alive == 2);
    assert_eq!(pool.spawn(&DOUBLE, 4).join(), Ok(8));
}

#[test]
fn names_are_seen_from_outside() {
    watched(|| {
        let builder = builder().workers(1).name("parser");
        let pool = builder.build().expect("a small pool");
        let pid = pool.worker_ids()[0];
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it lives");
        assert!(line.starts_with("parser-0\0"), "{line:?}");
        assert_eq!(pool.spawn(&PID, ()).join(), Ok(pid));
    });
}

#[test]
fn a_function_that_is_not_registered() {
    watched(|| {
        let pool = pool(1);
        let refused = pool.try_spawn(&UNKNOWN, 7).expect_err("not in the list");
        assert_eq!(refused.reason, Reason::NotRegistered("unknown"));
        assert_eq!(refused.into_args(), 7);
        // One that has the name of another is not that one.
        static FALSE: pool_process::Function<u64, u64> =
            pool_process::Function::new("double", |n| n + 1);
        let refused = pool.spawn(&FALSE, 7).join();
        assert_eq!(
            refused,
            Err(JobError::Rejected(Reason::NotRegistered("double")))
        );
        assert_eq!(pool.stats().scheduled, 0);
    });
}

#[test]
fn a_pool_without_init() {
    // `init` is called by the other tests of this process, so this needs one of its own.
    let program = env::current_exe().expect("the program knows itself");
    let mut command = Command::new(program);
    command
        .args(["--exact", "no_init"])
        .env("POOL_PROCESS_TEST_FEW", "no init");
    assert!(command.output().expect("runs").status.success());
}

#[test]
fn no_init() {
    if env::var_os("POOL_PROCESS_TEST_FEW").is_some_and(|how| how == "no init") {
        let built = ProcessPool::new(1);
        assert!(
            matches!(built, Err(BuildError::NotInitialised)),
            "{built:?}"
        );
    }
}
