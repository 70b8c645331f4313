//! The runtime that a thread is in: found by code that was given none.

mod watched;

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use exec_core::unwind;
use mini_executor::{Elapsed, LocalSpawner, Runtime, Spawner};
use watched::watched;

fn runtimes() -> [Runtime; 2] {
    [
        Runtime::builder().workers(2).build().expect("builds"),
        Runtime::current_thread().expect("builds"),
    ]
}

/// Uses everything, and is given nothing.
async fn deep() -> u32 {
    let six = mini_executor::spawn(async { 6 });
    let seven = mini_executor::unblock(|| 7);
    let mut beats = mini_executor::interval(Duration::from_millis(1));
    let first = beats.tick().await;
    assert!(beats.tick().await > first);
    mini_executor::sleep(Duration::from_millis(1)).await;
    let limit = Duration::from_millis(1);
    let late = mini_executor::timeout(limit, pending::<()>()).await;
    assert_eq!(late, Err(Elapsed));
    six.await.expect("ends") * seven.await.expect("ends")
}

#[test]
fn is_used_by_its_tasks() {
    watched(|| {
        for runtime in runtimes() {
            assert_eq!(runtime.block_on(deep()), 42);
            let task = runtime.spawn(deep());
            assert_eq!(runtime.block_on(task).expect("ends"), 42);
            let set = runtime.local_set();
            assert_eq!(runtime.block_on(set.run_until(deep())), 42);
            // A closure that blocks may use it too.
            let closure = || mini_executor::spawn(deep()).detach();
            runtime.block_on(runtime.unblock(closure)).expect("ends");
        }
    });
}

#[test]
fn is_none_elsewhere() {
    fn refused<R>(name: &str, f: impl FnOnce() -> R) {
        let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("panics");
        let text = unwind::message(&payload).expect("a text");
        assert!(text.starts_with(name), "{text}");
        assert!(text.contains("outside of a runtime; call it in"), "{text}");
    }
    watched(|| {
        let second = Duration::from_secs(1);
        refused("spawn", || mini_executor::spawn(async {}).detach());
        refused("sleep", || drop(mini_executor::sleep(second)));
        refused("timeout", || drop(mini_executor::timeout(second, async {})));
        refused("interval", || drop(mini_executor::interval(second)));
        refused("unblock", || drop(mini_executor::unblock(|| ())));
        assert!(Spawner::current().is_none());
        assert!(LocalSpawner::current().is_none());
        for runtime in runtimes() {
            assert!(runtime.block_on(async { LocalSpawner::current().is_none() }));
        }
        assert!(Spawner::current().is_none());
    });
}

#[test]
fn is_that_of_the_task_and_not_of_its_maker() {
    watched(|| {
        let name = || Spawner::current().map(|spawner| format!("{spawner:?}"));
        let named = |name: &'static str| {
            let runtime = Runtime::builder().workers(1).name(name).build();
            runtime.expect("builds")
        };
        let (a, b) = (named("a"), named("b"));
        let spawner = b.spawner();
        let (here, there, again) = a.block_on(async {
            let here = name();
            let there = spawner.spawn(async move { name() }).await.expect("ends");
            (here, there, name())
        });
        assert_eq!(here.as_deref(), Some("Spawner(\"a\")"));
        assert_eq!(there.as_deref(), Some("Spawner(\"b\")"));
        assert_eq!(again, here);
    });
}
