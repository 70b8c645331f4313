//! `sleep`, `timeout`, `interval` and `Spawner`.

mod watched;

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use mini_executor::{Elapsed, Nanos, Runtime, Spawner};
use watched::watched;

fn two_workers() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

struct CountsWakes(AtomicUsize);

impl Wake for CountsWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_dropped_sleep_takes_its_timer_back() {
    watched(|| {
        let runtime = two_workers();
        let wakes = Arc::new(CountsWakes(AtomicUsize::new(0)));
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        {
            let mut sleep = pin!(runtime.sleep(Duration::from_secs(3600)));
            assert!(sleep.as_mut().poll(&mut cx).is_pending());
            assert!(sleep.as_mut().poll(&mut cx).is_pending(), "polled again");
            assert!(Arc::strong_count(&wakes) > 2, "the timer has a waker");
        }
        assert_eq!(Arc::strong_count(&wakes), 2, "and gave it back");
        runtime.block_on(runtime.sleep(Duration::from_millis(1)));
        assert_eq!(wakes.0.load(SeqCst), 0);
    });
}

#[test]
fn the_ends_of_time() {
    watched(|| {
        let runtime = two_workers();
        runtime.block_on(async {
            runtime.sleep_until(Nanos(0)).await;
            runtime.sleep(Duration::ZERO).await;
            assert_eq!(runtime.sleep(Duration::MAX).deadline(), Nanos::MAX);
            assert_eq!(
                runtime
                    .timeout(Duration::from_millis(1), runtime.sleep(Duration::MAX))
                    .await,
                Err(Elapsed)
            );
        });
    });
}

#[test]
fn a_timeout_ends_what_takes_too_long_and_nothing_else() {
    watched(|| {
        let runtime = two_workers();
        let spawner = runtime.spawner();
        let task = runtime.spawn(async move {
            let late = spawner.timeout(Duration::from_millis(1), pending::<()>());
            let soon = spawner.timeout(Duration::from_secs(3600), async { 5 });
            (late.await, soon.await)
        });
        assert_eq!(task.join().expect("returns"), (Err(Elapsed), Ok(5)));
    });
}

#[test]
fn an_interval_keeps_its_rhythm() {
    watched(|| {
        let runtime = two_workers();
        let spawner = runtime.spawner();
        let task = runtime.spawn(async move {
            let mut interval = spawner.interval(Duration::from_millis(2));
            let first = interval.tick().await;
            spawner.sleep(Duration::from_millis(5)).await;
            let mut beats = Vec::new();
            for _ in 0..3 {
                let due = interval.tick().await;
                assert!(spawner.now() >= due, "not early");
                beats.push(due.saturating_since(first).as_nanos() % 2_000_000);
            }
            beats
        });
        assert_eq!(task.join().expect("returns"), [0, 0, 0]);
    });
}

#[test]
fn a_reset_sleep_has_a_new_deadline() {
    watched(|| {
        let runtime = two_workers();
        runtime.block_on(async {
            let mut sleep = runtime.sleep(Duration::MAX);
            let soon = runtime
                .spawner()
                .now()
                .saturating_add(Duration::from_millis(1));
            sleep.reset(soon);
            sleep.await;
            assert!(runtime.spawner().now() >= soon);
        });
    });
}

#[test]
fn the_current_spawner_is_that_of_the_worker() {
    watched(|| {
        assert!(Spawner::<kernel_bridge::Host>::current().is_none());
        let runtime = two_workers();
        let task = runtime.spawn(async {
            let spawner: Spawner = Spawner::current().expect("on a worker");
            spawner.spawn(async { 3 }).await
        });
        assert_eq!(task.join().expect("returns").expect("returns"), 3);
        let inside =
            runtime.block_on(async { Spawner::<kernel_bridge::Host>::current().is_some() });
        assert!(inside, "inside block_on, too");
    });
}

#[test]
fn a_spawner_outlives_its_runtime() {
    watched(|| {
        let runtime = two_workers();
        let spawner = runtime.spawner();
        drop(runtime);
        assert!(matches!(
            spawner.spawn(async { 1 }).join(),
            Err(mini_executor::JoinError::Rejected(_))
        ));
    });
}
