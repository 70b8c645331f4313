//! A runtime that cannot be built says why, and leaves nothing behind.

mod watched;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use exec_core::{
    CreateError, CreateReason, Ground, Job, Nanos, ThreadJoinError, ThreadSpec, Threads,
};
use kernel_bridge::Host;
use mini_executor::{BuildError, MAX_WORKERS, Runtime};
use watched::watched;

/// The host, except that it gives two threads and no more.
#[derive(Clone, Copy, Default)]
struct TwoThreads;

static CREATED: AtomicUsize = AtomicUsize::new(0);
static JOINED: AtomicUsize = AtomicUsize::new(0);

impl Ground for TwoThreads {
    fn park(&self, until: Option<Nanos>) {
        Host.park(until);
    }
    fn unparker(&self) -> std::task::Waker {
        Host.unparker()
    }
    fn yield_now(&self) {
        Host.yield_now();
    }
    fn now(&self) -> Nanos {
        Host.now()
    }
    fn parallelism(&self) -> usize {
        Host.parallelism()
    }
}

impl Threads for TwoThreads {
    type Thread = <Host as Threads>::Thread;
    fn create(&self, spec: &ThreadSpec, entry: Job) -> Result<Self::Thread, CreateError> {
        if CREATED.fetch_add(1, SeqCst) >= 2 {
            return Err(CreateError {
                entry,
                reason: CreateReason::OutOfThreads("two is all there are".into()),
            });
        }
        Host.create(spec, entry)
    }
    fn join(&self, thread: Self::Thread) -> Result<i32, ThreadJoinError> {
        JOINED.fetch_add(1, SeqCst);
        Host.join(thread)
    }
    fn is_current(&self, thread: &Self::Thread) -> bool {
        Host.is_current(thread)
    }
    fn local(&self) -> *mut () {
        Host.local()
    }
    unsafe fn set_local(&self, p: *mut ()) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Host.set_local(p) };
    }
}

#[test]
fn a_thread_that_cannot_be_started_is_told_with_its_number() {
    watched(|| {
        let error = Runtime::<TwoThreads>::on_ground()
            .workers(4)
            .build()
            .expect_err("the third thread is refused");
        assert!(
            matches!(
                error,
                BuildError::Thread {
                    started: 2,
                    asked: 4,
                    ..
                }
            ),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("worker 3 of 4"), "{text}");
        assert!(text.contains("two is all there are"), "{text}");
        assert_eq!(
            JOINED.load(SeqCst),
            2,
            "the threads that had started were joined"
        );
    });
}

#[test]
fn no_number_of_workers_is_one_per_cpu() {
    watched(|| {
        let runtime = Runtime::builder().workers(0).build().expect("builds");
        assert_eq!(runtime.workers(), Host.parallelism());
    });
}

#[test]
fn too_many_workers_are_refused_before_any_starts() {
    let error = Runtime::builder()
        .workers(usize::MAX)
        .build()
        .expect_err("refused");
    assert_eq!(error, BuildError::TooManyWorkers { asked: usize::MAX });
    assert!(error.to_string().contains(&MAX_WORKERS.to_string()));
}

#[test]
fn a_stack_size_that_cannot_be_is_an_error() {
    watched(|| {
        for bytes in [0, usize::MAX] {
            let error = Runtime::builder()
                .workers(1)
                .stack_size(bytes)
                .build()
                .expect_err("refused");
            assert!(
                matches!(
                    error,
                    BuildError::Thread {
                        started: 0,
                        reason: CreateReason::BadSpec(_),
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    });
}
