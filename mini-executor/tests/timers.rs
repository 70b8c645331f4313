//! Time: the past, the end of time, many timers at once.

mod watched;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use exec_core::{Executor, Ground, Nanos};
use kernel_bridge::Host;
use mini_executor::Runtime;
use watched::watched;

fn two_workers() -> Runtime {
    Runtime::builder().workers(2).build().expect("builds")
}

struct Notes {
    number: usize,
    order: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Notes {
    fn wake(self: Arc<Self>) {
        self.order.lock().unwrap().push(self.number);
    }
}

#[test]
fn the_past_fires_at_once() {
    watched(|| {
        let runtime = two_workers();
        let order = Arc::default();
        let notes = Arc::new(Notes {
            number: 1,
            order: Arc::clone(&order),
        });
        for at in [Nanos(0), Host.now()] {
            assert!(runtime.wake_at(at, &Waker::from(notes.clone())));
        }
        assert_eq!(*order.lock().unwrap(), [1, 1]);
    });
}

#[test]
fn the_end_of_time_never_comes_and_a_drop_does_not_wait_for_it() {
    watched(|| {
        let handle = two_workers().into_handle();
        let order: Arc<Mutex<Vec<usize>>> = Arc::default();
        let notes = Arc::new(Notes {
            number: 1,
            order: order.clone(),
        });
        assert!(
            handle
                .executor()
                .wake_at(Nanos::MAX, &Waker::from(notes.clone()))
        );
        handle.block_on(handle.sleep(Duration::from_millis(2)));
        assert!(order.lock().unwrap().is_empty());
        drop(handle);
        assert_eq!(Arc::strong_count(&notes), 1, "the timer let its waker go");
    });
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    watched(|| {
        let handle = Runtime::builder()
            .workers(1)
            .build()
            .expect("builds")
            .into_handle();
        let order: Arc<Mutex<Vec<usize>>> = Arc::default();
        let begin = handle.ground().now();
        for number in (0..20).rev() {
            let waker = Waker::from(Arc::new(Notes {
                number,
                order: order.clone(),
            }));
            let at = begin.saturating_add(Duration::from_millis(5 + number as u64));
            assert!(handle.executor().wake_at(at, &waker));
        }
        while order.lock().unwrap().len() < 20 {
            handle.block_on(handle.sleep(Duration::from_millis(2)));
        }
        assert!(order.lock().unwrap().is_sorted());
    });
}

#[test]
fn a_hundred_thousand_timers_of_one_moment_all_fire() {
    watched(|| {
        let handle = two_workers().into_handle();
        let at = handle
            .ground()
            .now()
            .saturating_add(Duration::from_millis(20));
        let fired = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..100_000)
            .map(|_| {
                let sleep = handle.sleep_until(at);
                let fired = fired.clone();
                handle.spawn_async(async move {
                    sleep.await;
                    fired.fetch_add(1, SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.join().expect("fired");
        }
        assert_eq!(fired.load(SeqCst), 100_000);
    });
}

#[test]
fn a_busy_worker_looks_at_its_timers() {
    watched(|| {
        let handle = Runtime::builder()
            .workers(1)
            .build()
            .expect("builds")
            .into_handle();
        let sleeper = handle.clone();
        let begin = Instant::now();
        let task = handle.spawn_async(async move { sleeper.sleep(Duration::from_millis(1)).await });
        let finished = Arc::new(AtomicUsize::new(0));
        let spinner = {
            let finished = finished.clone();
            handle.spawn_async(async move {
                while finished.load(SeqCst) == 0 {
                    mini_executor::yield_now().await;
                }
            })
        };
        task.join().expect("the timer fired beside the spinner");
        finished.store(1, SeqCst);
        spinner.join().expect("stopped");
        assert!(begin.elapsed() >= Duration::from_millis(1));
    });
}
