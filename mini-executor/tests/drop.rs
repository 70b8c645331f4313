//! The end of a runtime: nothing is dropped twice, nobody waits for himself.

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

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn two_workers() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

#[test]
fn cancels_what_waits_and_runs_what_can_go_on() {
    watched(|| {
        let runtime = two_workers();
        let drops = Arc::new(AtomicUsize::new(0));
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let held = CountsDrop(drops.clone());
                runtime.spawn(async move {
                    let _held = held;
                    pending::<()>().await;
                })
            })
            .collect();
        let going: Vec<_> = (0..50)
            .map(|n| {
                let held = CountsDrop(drops.clone());
                runtime.spawn(async move {
                    let _held = held;
                    for _ in 0..100 {
                        yield_now().await;
                    }
                    n
                })
            })
            .collect();
        drop(runtime);
        assert_eq!(drops.load(SeqCst), 100, "each future was dropped once");
        for task in waiting {
            assert!(matches!(task.join(), Err(JoinError::Cancelled)));
        }
        for (n, task) in going.into_iter().enumerate() {
            assert_eq!(task.join().expect("ran to its end"), n);
        }
    });
}

#[test]
fn on_its_own_worker_does_not_join_itself() {
    watched(|| {
        let runtime = Arc::new(two_workers());
        let (done, ended) = mpsc::channel();
        let own = runtime.clone();
        runtime
            .spawn(async move {
                while Arc::strong_count(&own) > 1 {
                    yield_now().await;
                }
                drop(own);
                let _ = done.send("the task went on");
            })
            .detach();
        drop(runtime);
        assert_eq!(ended.recv().expect("sent"), "the task went on");
    });
}

#[test]
fn a_leaked_runtime_only_leaks() {
    watched(|| {
        let runtime = two_workers();
        let task = runtime.spawn(async { 5 });
        std::mem::forget(runtime);
        assert_eq!(task.join().expect("its workers live on"), 5);
    });
}

#[test]
fn inside_another_runtime_blocks_that_worker_only() {
    watched(|| {
        let (outer, inner) = (two_workers(), two_workers());
        let task = inner.spawn(pending::<()>());
        outer
            .spawn(async move { drop(inner) })
            .join()
            .expect("the drop returns");
        assert!(matches!(task.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_handle_does_not_keep_waiting_tasks_from_being_cancelled() {
    watched(|| {
        let handle = two_workers().into_handle();
        let task = handle.spawn_async(pending::<()>());
        drop(handle);
        assert!(matches!(task.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn a_timer_does_not_hold_up_the_drop() {
    watched(|| {
        let handle = two_workers().into_handle();
        let sleeper = handle.clone();
        let (ready, started) = mpsc::channel();
        let task = handle.spawn_async(async move {
            let sleep = sleeper.sleep(Duration::from_secs(3600));
            drop(sleeper);
            let _ = ready.send(());
            sleep.await;
        });
        started.recv().expect("started");
        // The sleep keeps the runtime: only a shutdown ends it.
        let report = handle.shutdown(Shutdown::Deadline(Duration::from_millis(1)));
        assert_eq!(report.cancelled, 1, "{report}");
        assert!(matches!(task.join(), Err(JoinError::Cancelled)));
    });
}
