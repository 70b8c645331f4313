//! A queue with a bound: backpressure outside, never a wait inside.

mod watchdog;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use exec_core::{JoinError, Reason};
use pool_basic::{Queue, ThreadPool};
use watchdog::watched;

/// A pool of one worker, held up until the sender goes, with room for `capacity` jobs.
fn held_up(queue: Queue, capacity: usize) -> (Arc<ThreadPool>, mpsc::Sender<()>) {
    let pool = ThreadPool::builder()
        .threads(1)
        .queue(queue)
        .queue_capacity(capacity)
        .build()
        .expect("one thread");
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    pool.execute(move || {
        let _ = tell.send(());
        let _ = wait.recv();
    })
    .expect("accepted");
    told.recv().expect("the job has begun");
    (Arc::new(pool), go)
}

const KINDS: [Queue; 3] = [Queue::Locked, Queue::Mpsc, Queue::Crossbeam];

#[test]
fn try_refuses_at_the_bound_and_hands_back() {
    watched(|| {
        for queue in KINDS {
            let (pool, go) = held_up(queue, 3);
            assert_eq!(pool.queue_capacity(), Some(3));
            let jobs: Vec<_> = (0..3)
                .map(|n| pool.try_spawn(move || n).expect("there is room"))
                .collect();
            let refused = pool.try_spawn(|| 7).map(|_| ()).expect_err("full");
            assert_eq!(refused.reason, Reason::Full);
            assert_eq!((refused.into_job())(), 7);
            let refused = pool.try_execute(|| ()).expect_err("full");
            assert_eq!(refused.reason, Reason::Full);
            drop(refused);
            drop(go);
            for (n, job) in jobs.into_iter().enumerate() {
                assert_eq!(job.join().expect("returns"), n);
            }
            pool.wait_idle();
            pool.try_execute(|| ()).expect("there is room again");
        }
    });
}

#[test]
fn spawns_from_outside_wait_for_room() {
    watched(|| {
        for queue in KINDS {
            let (pool, go) = held_up(queue, 2);
            let ran = Arc::new(AtomicUsize::new(0));
            let spawners: Vec<_> = (0..3)
                .map(|_| {
                    let (pool, ran) = (pool.clone(), ran.clone());
                    thread::spawn(move || {
                        for _ in 0..200 {
                            let ran = ran.clone();
                            pool.execute(move || {
                                ran.fetch_add(1, SeqCst);
                            })
                            .expect("waits for room");
                        }
                    })
                })
                .collect();
            // As far as they come, and no further.
            while pool.try_execute(|| ()).is_ok() {}
            assert_eq!(ran.load(SeqCst), 0);
            drop(go);
            spawners
                .into_iter()
                .for_each(|s| s.join().expect("no panic"));
            pool.wait_idle();
            assert_eq!(ran.load(SeqCst), 600);
        }
    });
}

#[test]
fn a_worker_is_refused_where_others_wait() {
    watched(|| {
        let pool = ThreadPool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .expect("one thread");
        let pool = Arc::new(pool);
        let inner = pool.clone();
        let job = pool.spawn(move || {
            inner.execute(|| ()).expect("there is room for one");
            let refused = inner
                .execute(|| ())
                .expect_err("it would have to make room");
            let spawned = inner.spawn(|| ()).join();
            (refused.reason, spawned)
        });
        let (reason, spawned) = job.join().expect("returns");
        assert_eq!(reason, Reason::Full);
        assert!(matches!(spawned, Err(JoinError::Rejected(Reason::Full))));
    });
}

#[test]
fn scopes_and_forks_run_in_place_where_there_is_no_room() {
    watched(|| {
        let pool = ThreadPool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .expect("one thread")
            .into_handle();
        let inner = pool.clone();
        let job = pool.spawn(move || {
            let mut numbers = [1; 50];
            inner.scope(|s| {
                for n in &mut numbers {
                    s.spawn(move || *n += 1);
                }
            });
            let (a, b) = inner.join(|| inner.join(|| 1, || 2), || 3);
            (numbers.iter().sum::<i32>(), a, b)
        });
        assert_eq!(job.join().expect("returns"), (100, (1, 2), 3));
    });
}

#[test]
fn woken_futures_are_queued_beyond_the_bound() {
    watched(|| {
        let (pool, go) = held_up(Queue::Locked, 1);
        let pool = Arc::into_inner(pool).expect("one owner").into_handle();
        let (send, receive) = futures_channel();
        let future = pool.spawn_async(receive);
        drop(go);
        // The first poll is over when the queue is empty again.
        pool.executor().wait_idle();
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        pool.execute(move || {
            let _ = tell.send(());
            let _ = wait.recv();
        })
        .expect("accepted");
        told.recv().expect("it has begun");
        while pool.try_spawn(|| ()).map(|job| job.detach()).is_ok() {}
        // The queue is full, and the waker neither blocks nor cancels.
        send.send(());
        drop(go);
        future.join().expect("it was polled again");
    });
}

/// A channel for one message, of nothing but std.
fn futures_channel() -> (Sender, impl Future<Output = ()> + Send) {
    use std::{
        sync::Mutex,
        task::{Poll, Waker},
    };
    type State = Arc<Mutex<(bool, Option<Waker>)>>;
    let state = State::default();
    let inside = state.clone();
    let future = std::future::poll_fn(move |cx| {
        let mut state = inside.lock().expect("nobody panics with the lock");
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    });
    let send = move || {
        let waker = {
            let mut state = state.lock().expect("nobody panics with the lock");
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    };
    (Sender(Box::new(send)), future)
}

struct Sender(Box<dyn FnOnce() + Send>);

impl Sender {
    fn send(self, (): ()) {
        (self.0)();
    }
}

#[test]
fn a_close_frees_those_who_wait_for_room() {
    watched(|| {
        for _ in 0..20 {
            let (pool, go) = held_up(Queue::Locked, 1);
            pool.execute(|| ()).expect("there is room for one");
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let pool = pool.clone();
                    thread::spawn(move || pool.execute(|| ()).map_err(|refused| refused.reason))
                })
                .collect();
            let drain = {
                let pool = pool.clone();
                thread::spawn(move || pool.shutdown())
            };
            for waiting in waiting {
                let answer = waiting.join().expect("no panic");
                assert_eq!(
                    answer,
                    Err(Reason::ShutDown),
                    "there was no room at any time"
                );
            }
            drop(go);
            assert!(drain.join().expect("no panic").is_clean());
        }
    });
}

#[test]
fn a_bound_of_one_passes_everything_through() {
    watched(|| {
        for queue in KINDS {
            let pool = ThreadPool::builder()
                .threads(2)
                .queue(queue)
                .queue_capacity(1)
                .build()
                .expect("two threads");
            let sum = Arc::new(AtomicUsize::new(0));
            for n in 0..2_000 {
                let sum = sum.clone();
                pool.execute(move || {
                    sum.fetch_add(n, SeqCst);
                })
                .expect("waits for room");
            }
            assert!(pool.shutdown().is_clean());
            assert_eq!(sum.load(SeqCst), 1_999_000);
        }
    });
}
