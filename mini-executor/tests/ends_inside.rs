//! A runtime that is ended, or dropped, by code that runs inside a runtime: its own, or another.

mod watched;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use mini_executor::{JoinError, Runtime, Shutdown, yield_now};
use watched::watched;

/// Each kind of runtime, by its name.
fn kinds() -> Vec<(&'static str, Runtime)> {
    let one = Runtime::builder().workers(1).build();
    let two = Runtime::builder().workers(2).build();
    let seeded = Runtime::builder().seeded(7).build();
    let kinds = [
        ("one worker", one),
        ("two workers", two),
        ("current thread", Runtime::current_thread()),
        ("seeded", seeded),
    ];
    kinds
        .map(|(name, made)| (name, made.expect("builds")))
        .into()
}

fn ways() -> [Shutdown; 3] {
    [
        Shutdown::Drain,
        Shutdown::Deadline(Duration::from_millis(200)),
        Shutdown::Now,
    ]
}

/// A task that can go on, which counts its end, and one that waits for ever.
fn tasks(runtime: &Runtime, ended: &Arc<AtomicUsize>) -> [mini_executor::JoinHandle<()>; 2] {
    let ended = ended.clone();
    [
        runtime.spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            ended.fetch_add(1, SeqCst);
        }),
        runtime.spawn(pending()),
    ]
}

#[test]
fn a_drop_inside_another_runtime_is_as_one_outside() {
    fn dropped(name: &str, inner: Runtime) {
        let ended = Arc::new(AtomicUsize::new(0));
        let [going, waiting] = tasks(&inner, &ended);
        drop(inner);
        assert_eq!(ended.load(SeqCst), 1, "{name}: it could go on");
        assert!(going.is_finished() && waiting.is_finished(), "{name}");
        assert!(
            matches!(waiting.join(), Err(JoinError::Cancelled)),
            "{name}"
        );
        going.join().expect("ended");
    }
    watched(|| {
        for (outer_name, outer) in kinds() {
            for (name, inner) in kinds() {
                let name = format!("{name} in {outer_name}");
                outer.block_on(async { dropped(&name, inner) });
            }
            for (name, inner) in kinds() {
                let name = format!("{name} in a task of {outer_name}");
                let task = outer.spawn(async move { dropped(&name, inner) });
                outer.block_on(task).expect("the drop returns");
            }
            // The outer one is as it was.
            let after = outer.block_on(outer.spawn(async move { outer_name }));
            assert_eq!(after.expect("intact"), outer_name);
        }
    });
}

#[test]
fn a_shutdown_by_a_task_ends_it() {
    watched(|| {
        for way in ways() {
            for (name, runtime) in kinds() {
                let runtime = Arc::new(runtime);
                let own = runtime.clone();
                let ender = runtime.spawn(async move { own.shutdown(way) });
                let report = match runtime.block_on(ender) {
                    Ok(report) => report,
                    // It has cancelled itself, too: its output came too late.
                    Err(error) => {
                        assert!(error.is_cancelled(), "{name} {way:?}: {error}");
                        continue;
                    }
                };
                assert!(report.leaked <= 1, "{name} {way:?}: {report}, itself");
                let late = runtime.spawn(async {});
                assert!(matches!(late.join(), Err(JoinError::Rejected(_))));
                assert!(runtime.shutdown(Shutdown::Drain).is_clean(), "{name}");
            }
        }
    });
}

#[test]
fn a_shutdown_in_block_on_runs_what_its_future_has_spawned() {
    watched(|| {
        for (name, runtime) in kinds() {
            let ended = Arc::new(AtomicUsize::new(0));
            let report = runtime.block_on(async {
                let [going, waiting] = tasks(&runtime, &ended);
                waiting.cancel();
                going.detach();
                runtime.shutdown(Shutdown::Drain)
            });
            // Without threads it is this one that runs them, after it has left `block_on`.
            let begun = match runtime.stats().threads {
                0 => 2,
                _ => 0,
            };
            assert_eq!(report.leaked, begun, "{name}: {report}");
            let whole = runtime.shutdown(Shutdown::Drain);
            assert_eq!((whole.finished, whole.leaked), (2, 0), "{name}: {whole}");
            assert_eq!(ended.load(SeqCst), 1, "{name}");
        }
    });
}

#[test]
fn a_shutdown_in_block_on_cancels_what_waits() {
    watched(|| {
        for way in [Shutdown::Deadline(Duration::from_millis(5)), Shutdown::Now] {
            for (name, runtime) in kinds() {
                let ended = Arc::new(AtomicUsize::new(0));
                let (report, waiting) = runtime.block_on(async {
                    let [going, waiting] = tasks(&runtime, &ended);
                    going.detach();
                    (runtime.shutdown(way), waiting.await)
                });
                let context = format!("{name} {way:?}: {report}");
                assert!(matches!(waiting, Err(JoinError::Cancelled)), "{context}");
                let whole = runtime.shutdown(Shutdown::Drain);
                assert_eq!(whole.leaked, 0, "{context}, then {whole}");
                assert_eq!(
                    whole.finished + whole.cancelled,
                    2,
                    "{context}, then {whole}"
                );
            }
        }
    });
}

#[test]
fn a_shutdown_by_a_closure_that_blocks_ends_it() {
    watched(|| {
        for way in ways() {
            for (name, runtime) in kinds() {
                let runtime = Arc::new(runtime);
                let own = runtime.clone();
                let (told, tells) = mpsc::channel();
                let closure = runtime.unblock(move || {
                    let report = own.shutdown(way);
                    drop(own);
                    let _ = told.send(report);
                });
                let _ = runtime.block_on(closure);
                let report = tells.recv().expect("it returned");
                assert!(report.leaked <= 1, "{name} {way:?}: {report}, itself");
                let whole = runtime.shutdown(Shutdown::Drain);
                assert!(whole.is_clean(), "{name} {way:?}: {report}, then {whole}");
            }
        }
    });
}
