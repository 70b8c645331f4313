//! The adapters keep the trait's promises about shutdown and panics.

mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use benches::model;
use exec_core::{Handle, JoinError, Reason, Shutdown};
use record::Model;

fn for_each_peer(body: fn(Handle)) {
    for peer in [Model::Rayon, Model::Tokio] {
        watchdog::run(move || body(model::build(peer, 2).expect("two threads can be had")));
    }
}

#[test]
fn drain_runs_what_was_accepted_and_refuses_the_rest() {
    for_each_peer(|handle| {
        let count = Arc::new(AtomicU32::new(0));
        for _ in 0..1_000 {
            let count = Arc::clone(&count);
            handle
                .execute(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                })
                .expect("open");
        }
        let report = handle.shutdown(Shutdown::Drain);
        assert!(report.is_clean(), "{report}");
        assert_eq!(count.load(Ordering::Relaxed), 1_000);
        assert_eq!(handle.stats().ran, 1_000);
        let late = handle.spawn(|| ()).join();
        assert!(
            matches!(late, Err(JoinError::Rejected(Reason::ShutDown))),
            "{late:?}"
        );
    });
}

#[test]
fn a_deadline_cancels_what_is_queued() {
    for_each_peer(|handle| {
        let (release, gate) = channel::<()>();
        let (started, running) = channel();
        let blocker = handle.spawn(move || {
            started.send(()).expect("the test waits");
            let _ = gate.recv();
        });
        running.recv().expect("the blocker runs");
        let report = handle.shutdown(Shutdown::Deadline(Duration::from_millis(20)));
        assert_eq!(report.leaked, 1, "{report}");
        release.send(()).expect("the blocker waits");
        blocker.join().expect("it ran to its end");
        let report = handle.shutdown(Shutdown::Drain);
        assert_eq!((report.finished, report.leaked), (1, 0), "{report}");
    });
}

#[test]
fn a_panic_is_the_joiners_and_the_worker_survives() {
    for_each_peer(|handle| {
        for _ in 0..8 {
            let joined = handle.spawn(|| panic!("as the test wants")).join();
            assert!(
                matches!(&joined, Err(error) if error.is_panic()),
                "{joined:?}"
            );
        }
        assert_eq!(handle.spawn(|| 7).join().expect("a worker is left"), 7);
    });
}
