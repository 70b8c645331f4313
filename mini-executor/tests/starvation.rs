//! Tasks that are always ready do not keep others from running.

mod watched;

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use mini_executor::{Runtime, yield_now};
use watched::watched;

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().expect("builds")
}

/// Two tasks that wake each other for ever, each through the next slot.
fn endless_pair(runtime: &Runtime, stop: &Arc<AtomicBool>) {
    let wakers: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
    for me in 0..2 {
        let (wakers, stop) = (wakers.clone(), stop.clone());
        runtime
            .spawn(poll_fn(move |cx| {
                *wakers[me].lock().unwrap() = Some(cx.waker().clone());
                let other = wakers[1 - me].lock().unwrap().take();
                if let Some(other) = other {
                    other.wake();
                }
                if stop.load(SeqCst) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }))
            .detach();
    }
}

#[test]
fn by_a_pair_that_wakes_each_other() {
    watched(|| {
        let runtime = one_worker();
        let stop = Arc::new(AtomicBool::new(false));
        endless_pair(&runtime, &stop);
        for _ in 0..100 {
            runtime
                .spawn(async { yield_now().await })
                .join()
                .expect("runs");
        }
        stop.store(true, SeqCst);
    });
}

#[test]
fn by_a_task_that_wakes_itself() {
    watched(|| {
        let runtime = one_worker();
        let stop = Arc::new(AtomicBool::new(false));
        let spinner = {
            let stop = stop.clone();
            runtime.spawn(async move {
                while !stop.load(SeqCst) {
                    yield_now().await;
                }
            })
        };
        // From outside, through the injector; and a timer.
        for _ in 0..100 {
            runtime
                .spawn(async { yield_now().await })
                .join()
                .expect("runs");
        }
        let handle = runtime.into_handle();
        handle.block_on(handle.sleep(Duration::from_millis(1)));
        stop.store(true, SeqCst);
        spinner.join().expect("stopped");
    });
}

/// Jobs that compute for long, and are never out: what waits for a timer comes after some of them.
/// How many is counted; how long they take here is nobody's claim.
#[test]
fn by_jobs_that_compute() {
    /// A turn that is worth a look of its own.
    const LONG: Duration = Duration::from_millis(2);
    const SLEEPS: usize = 10;

    async fn compute(stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
        while !stop.load(SeqCst) {
            let start = Instant::now();
            while start.elapsed() < LONG {
                std::hint::spin_loop();
            }
            done.fetch_add(1, SeqCst);
            yield_now().await;
        }
    }
    watched(|| {
        let runtime = one_worker();
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::default());
        for _ in 0..3 {
            runtime
                .spawn(compute(stop.clone(), Arc::clone(&done)))
                .detach();
        }
        let spawner = runtime.spawner();
        let between = runtime.spawn(async move {
            // The first looks show the pace.
            spawner.sleep(Duration::from_millis(1)).await;
            let before = done.load(SeqCst);
            for _ in 0..SLEEPS {
                spawner.sleep(Duration::from_millis(1)).await;
            }
            done.load(SeqCst) - before
        });
        let between = between.join().expect("runs");
        stop.store(true, SeqCst);
        // One a sleep and what the ring holds before the sleeper; sixty each it was.
        assert!(between <= SLEEPS * 10, "{between} jobs in {SLEEPS} sleeps");
    });
}

#[test]
fn a_million_wakes_are_one_poll() {
    watched(|| {
        let runtime = one_worker();
        let polls = Arc::new(AtomicUsize::new(0));
        let (give, got) = mpsc::channel();
        let task = {
            let polls = polls.clone();
            runtime.spawn(poll_fn(move |cx| {
                polls.fetch_add(1, SeqCst);
                let _ = give.send(cx.waker().clone());
                if polls.load(SeqCst) == 2 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }))
        };
        let waker: Waker = got.recv().expect("polled");
        // The one worker is held, so that no poll can come between the wakes.
        let (hold, held) = mpsc::channel::<()>();
        let (holding, is_held) = mpsc::channel();
        let blocker = runtime.spawn_closure(move || {
            let _ = holding.send(());
            let _ = held.recv();
        });
        is_held.recv().expect("held");
        for _ in 0..1_000_000 {
            waker.wake_by_ref();
        }
        assert_eq!(runtime.queued(), 1, "one queue entry");
        drop(hold);
        blocker.join().expect("released");
        task.join().expect("ready at its second poll");
        assert_eq!(polls.load(SeqCst), 2);
    });
}

#[test]
fn by_a_task_that_blocks_its_worker() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let (hold, held) = mpsc::channel::<()>();
        let blocker = runtime.spawn(async move {
            let _ = held.recv();
        });
        let others: Vec<_> = (0..100)
            .map(|n| {
                runtime.spawn(async move {
                    yield_now().await;
                    n
                })
            })
            .collect();
        for (n, task) in others.into_iter().enumerate() {
            assert_eq!(task.join().expect("the other worker runs it"), n);
        }
        drop(hold);
        blocker.join().expect("released");
    });
}

#[test]
fn a_closure_spawned_by_a_busy_task_goes_to_an_idle_worker() {
    watched(|| {
        let runtime = Arc::new(Runtime::builder().workers(2).build().expect("builds"));
        let inner = runtime.clone();
        let waited = runtime
            .spawn(async move {
                let begin = Instant::now();
                let (ran, child) = mpsc::channel();
                inner
                    .spawn_closure(move || ran.send(begin.elapsed()))
                    .detach();
                // This worker is busy until the other one has run the child.
                child.recv().expect("sent")
            })
            .join()
            .expect("returns");
        assert!(waited < Duration::from_secs(10));
    });
}

/// The thread that calls `block_on` may run the task that it waits for. It is no worker, but what
/// it spawns must not wait for it.
#[test]
fn a_future_spawned_by_a_busy_task_goes_to_an_idle_worker() {
    watched(|| {
        let runtime = Arc::new(Runtime::builder().workers(2).build().expect("builds"));
        // Long enough for the workers to fall asleep, all of them.
        let pause = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(10) {
                std::hint::spin_loop();
            }
        };
        for _ in 0..10 {
            pause();
            let inner = runtime.clone();
            let busy = async move {
                for _ in 0..3 {
                    let (ran, child) = mpsc::channel();
                    inner.spawn(async move { ran.send(()) }).detach();
                    child.recv().expect("sent");
                    pause();
                }
            };
            runtime.block_on(async { runtime.spawn(busy).await.expect("returns") });
        }
    });
}

/// Jobs that compute for long and come from outside, one more for each that ends: a task that gives way
/// has its turn among them. How many run meanwhile is counted.
#[test]
fn by_jobs_that_compute_and_come_from_outside() {
    const LONG: Duration = Duration::from_millis(1);
    const JOBS: usize = 4;
    const YIELDS: usize = 20;

    watched(|| {
        let handle = one_worker().into_handle();
        let (done, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let feeder = {
            let (handle, done, stop) = (handle.clone(), done.clone(), stop.clone());
            let (end, ended) = mpsc::channel();
            let (fed, is_fed) = mpsc::channel();
            let is_fed = Arc::new(Mutex::new(is_fed));
            let feed = move || {
                let (end, done, is_fed) = (end.clone(), done.clone(), is_fed.clone());
                let job = move || {
                    let start = Instant::now();
                    while start.elapsed() < LONG {
                        std::hint::spin_loop();
                    }
                    done.fetch_add(1, SeqCst);
                    // The next one waits when this one ends.
                    let _ = end.send(());
                    let _ = is_fed.lock().unwrap().recv();
                };
                handle.execute(job).expect("it is open");
            };
            std::thread::spawn(move || {
                (0..JOBS).for_each(|_| feed());
                // Enough for a task that is starved to show it.
                for () in ended.iter().take(100 * YIELDS) {
                    if stop.load(SeqCst) {
                        break;
                    }
                    feed();
                    let _ = fed.send(());
                }
            })
        };
        // The pace is known by then.
        while done.load(SeqCst) < 2 * JOBS {
            std::thread::yield_now();
        }
        let counts = done.clone();
        let task = handle.spawn_async(async move {
            let before = counts.load(SeqCst);
            for _ in 0..YIELDS {
                yield_now().await;
            }
            counts.load(SeqCst) - before
        });
        let jobs = task.join().expect("ends");
        stop.store(true, SeqCst);
        feeder.join().expect("ends");
        // Those that were there before it, and one for each of those and of its own turns.
        assert!(jobs <= 3 * (JOBS + 1) * YIELDS, "{jobs} jobs");
    });
}
