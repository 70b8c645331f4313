//! What cannot be is refused before anything is started; what the system refuses is said.

mod jobs;
mod watchdog;

use std::{
    env,
    fs::File,
    os::fd::AsRawFd as _,
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
        for free in 0..18 {
            let output = Command::new(&program)
                .args(["--exact", "few", "--nocapture"])
                .env("POOL_PROCESS_TEST_FEW", free.to_string())
                .stdin(Stdio::null())
                .output()
                .expect("runs");
            assert!(output.status.success(), "{free}: {output:?}");
        }
    });
}

#[test]
fn few() {
    let Some(free) = env::var("POOL_PROCESS_TEST_FEW").ok() else {
        return;
    };
    let free = free.parse().expect("a number");
    let before = descriptors();
    // The limit is set by the process itself, from what is open in it: who started the tests may
    // have left descriptors open to them, and nothing could be loaded in what the others leave.
    let limit = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(first_number_beyond(free)),
        ..limit
    };
    setrlimit(Resource::Nofile, few).expect("less is allowed");
    let built = builder().workers(8).build();
    setrlimit(Resource::Nofile, limit).expect("it was the limit before");
    let error = match built {
        Ok(pool) => panic!(
            "eight workers in {free} descriptors: {:?}",
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

/// The number that the next descriptor would have after this many more.
fn first_number_beyond(free: usize) -> u64 {
    let open = |_| File::open("/dev/null").expect("the limit is still high");
    let files: Vec<File> = (0..=free).map(open).collect();
    let numbers = files.iter().map(|file| file.as_raw_fd());
    let last = numbers.max().expect("one at least");
    u64::try_from(last).expect("an open descriptor's number")
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
