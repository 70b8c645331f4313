//! The host's threads as a ground: what is refused comes back, what would hang says so.
#![cfg(feature = "std")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use exec_core::{CreateReason, Ground, Job, ThreadJoinError, ThreadSpec, Threads};
use kernel_bridge::{Host, HostThread, MAX_STACK, MIN_STACK};

/// Runs `body` and fails when it takes longer than 30 s.
fn watched(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = std::thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if ended.recv_timeout(Duration::from_secs(30)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("hung for 30 s");
    }
    if let Err(payload) = runner.join() {
        std::panic::resume_unwind(payload);
    }
}

#[test]
fn a_thread_runs_its_entry_once_and_ends_with_zero() {
    watched(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = ran.clone();
        let entry = Job::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let thread = Host.create(&ThreadSpec::new(), entry).expect("created");
        assert_eq!(Host.join(thread), Ok(0));
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_panic_of_the_entry_is_an_exit_code() {
    watched(|| {
        let thread = Host
            .create(&ThreadSpec::new(), Job::new(|| panic!("as planned")))
            .expect("created");
        assert_eq!(Host.join(thread), Ok(101));
    });
}

#[test]
fn the_name_is_visible() {
    watched(|| {
        let (tell, told) = mpsc::channel();
        let entry = Job::new(move || {
            let _ = tell.send(std::thread::current().name().map(String::from));
        });
        let thread = Host
            .create(&ThreadSpec::new().name("its-name"), entry)
            .expect("created");
        assert_eq!(told.recv(), Ok(Some(String::from("its-name"))));
        assert_eq!(Host.join(thread), Ok(0));
    });
}

/// The entry comes back and still runs.
fn refused(spec: &ThreadSpec) -> CreateReason {
    let (tell, told) = mpsc::channel();
    let entry = Job::new(move || {
        let _ = tell.send(());
    });
    let error = Host.create(spec, entry).expect_err("refused");
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
    error.entry.run().expect("does not panic");
    assert_eq!(told.try_recv(), Ok(()));
    error.reason
}

#[test]
fn bad_specs_are_refused_and_name_what_is_possible() {
    for bytes in [0, 1, MIN_STACK - 1, MAX_STACK + 1, usize::MAX] {
        let reason = refused(&ThreadSpec::new().stack_size(bytes));
        let text = reason.to_string();
        assert!(matches!(reason, CreateReason::BadSpec(_)), "{text}");
        assert!(text.contains(&MIN_STACK.to_string()), "{text}");
    }
    let reason = refused(&ThreadSpec::new().name("a\0b"));
    assert!(matches!(reason, CreateReason::BadSpec(_)), "{reason}");
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_system_out_of_threads_hands_the_entry_back() {
    watched(|| {
        // No address space holds 1,024 stacks of 1 TiB, for root neither.
        let spec = ThreadSpec::new().stack_size(MAX_STACK);
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let mut threads = Vec::new();
        let error = loop {
            assert!(threads.len() < 1024, "the address space has no end");
            let wait = wait.clone();
            let entry = Job::new(move || {
                let _ = wait.lock().expect("nobody panics with the lock").recv();
            });
            match Host.create(&spec, entry) {
                Ok(thread) => threads.push(thread),
                Err(error) => break error,
            }
        };
        let text = error.to_string();
        assert!(
            matches!(error.reason, CreateReason::OutOfThreads(_)),
            "{text}"
        );
        assert!(text.contains("temporarily unavailable"), "{text}");
        drop(release);
        error.entry.run().expect("the entry came back whole");
        for thread in threads {
            assert_eq!(Host.join(thread), Ok(0));
        }
    });
}

#[test]
fn a_thread_that_joins_itself_is_told() {
    watched(|| {
        let (send, receive) = mpsc::channel::<HostThread>();
        let (tell, told) = mpsc::channel();
        let entry = Job::new(move || {
            let own = receive.recv().expect("the creator sends it");
            assert!(Host.is_current(&own));
            let _ = tell.send(Host.join(own));
        });
        let thread = Host.create(&ThreadSpec::new(), entry).expect("created");
        assert!(!Host.is_current(&thread));
        send.send(thread).expect("the thread waits for it");
        assert_eq!(told.recv(), Ok(Err(ThreadJoinError::WouldDeadlock)));
    });
}

#[test]
fn the_local_pointer_is_one_for_each_thread() {
    watched(|| {
        let mut word = 0_usize;
        assert!(Host.local().is_null());
        // SAFETY: the block outlives its use as the local pointer, below.
        unsafe { Host.set_local((&raw mut word).cast()) };
        let (tell, told) = mpsc::channel();
        let entry = Job::new(move || {
            let _ = tell.send(Host.local().is_null());
        });
        let thread = Host.create(&ThreadSpec::new(), entry).expect("created");
        assert_eq!(told.recv(), Ok(true));
        assert_eq!(Host.join(thread), Ok(0));
        assert!(std::ptr::eq(Host.local(), (&raw mut word).cast()));
        // SAFETY: null is always allowed.
        unsafe { Host.set_local(std::ptr::null_mut()) };
    });
}

#[test]
fn an_unpark_before_the_park_is_kept() {
    watched(|| {
        Host.unparker().wake();
        // Would hang if the token were lost.
        Host.park(None);
        let before = Host.now();
        Host.park(Some(before));
        assert!(Host.now() >= before);
        assert!(Host.parallelism() >= 1);
    });
}
