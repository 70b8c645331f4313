//! Tasks that stay on one thread: polled, woken, aborted and dropped there only.

mod watched;

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use mini_executor::{JoinError, LocalHandle, LocalSpawner, Runtime, spawn_local, yield_now};
use watched::watched;

fn runtimes() -> [Runtime; 2] {
    [
        Runtime::current_thread().expect("builds"),
        Runtime::builder().workers(2).build().expect("builds"),
    ]
}

/// Notes the thread that drops it, and is not `Send`.
struct Dropped {
    on: mpsc::Sender<ThreadId>,
    _not_send: Rc<()>,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.on.send(thread::current().id());
    }
}

#[test]
fn tasks_share_what_is_not_send() {
    watched(|| {
        for runtime in runtimes() {
            let set = runtime.local_set();
            let log = Rc::new(RefCell::new(Vec::new()));
            let sum = runtime.block_on(set.run_until(async {
                let tasks: Vec<LocalHandle<u32>> = (0..100)
                    .map(|n| {
                        let log = log.clone();
                        spawn_local(async move {
                            yield_now().await;
                            log.borrow_mut().push(n);
                            n
                        })
                    })
                    .collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.expect("returns");
                }
                sum
            }));
            assert_eq!((sum, log.borrow().len()), (4950, 100));
            assert!(set.is_empty());
        }
    });
}

#[test]
fn an_abort_from_another_thread_drops_the_future_on_its_own() {
    watched(|| {
        for runtime in runtimes() {
            let set = runtime.local_set();
            let (on, dropped) = mpsc::channel();
            let own = Dropped {
                on,
                _not_send: Rc::new(()),
            };
            let task = set.spawn_local(async move {
                let _own = own;
                pending::<()>().await;
            });
            // Once it waits, another thread aborts it and waits for its end.
            let aborter = runtime.block_on(set.run_until(async {
                yield_now().await;
                runtime
                    .spawn(async move {
                        assert!(task.cancel());
                        task.await
                    })
                    .await
            }));
            assert!(matches!(aborter, Ok(Err(JoinError::Cancelled))));
            assert_eq!(dropped.recv().expect("dropped"), thread::current().id());
        }
    });
}

#[test]
fn wakes_from_other_threads_arrive() {
    watched(|| {
        for runtime in runtimes() {
            let set = runtime.local_set();
            let (give, wakers) = mpsc::channel::<Waker>();
            let waker = thread::spawn(move || {
                for waker in wakers {
                    waker.wake();
                }
            });
            for _ in 0..8 {
                let give = give.clone();
                set.spawn_local(async move {
                    for _ in 0..100 {
                        let mut asked = false;
                        poll_fn(|cx| {
                            if std::mem::replace(&mut asked, true) {
                                return Poll::Ready(());
                            }
                            give.send(cx.waker().clone()).expect("the waker runs");
                            Poll::Pending
                        })
                        .await;
                    }
                })
                .detach();
            }
            drop(give);
            runtime.block_on(set.until_empty());
            waker.join().expect("returns");
        }
    });
}

#[test]
fn a_drop_of_the_set_drops_its_futures_here_and_once() {
    watched(|| {
        let (on, dropped) = mpsc::channel();
        let runtime = Runtime::new().expect("builds");
        let set = runtime.local_set();
        let kept = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..10)
            .map(|_| {
                let own = Dropped {
                    on: on.clone(),
                    _not_send: Rc::new(()),
                };
                let kept = kept.clone();
                set.spawn_local(async move {
                    let _own = own;
                    poll_fn(|cx| {
                        kept.borrow_mut().push(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await;
                })
            })
            .collect();
        runtime.block_on(set.run_until(yield_now()));
        assert_eq!(kept.borrow().len(), 10, "each was polled once");
        // Wakers that live on, elsewhere, keep memory and nothing else.
        let wakers = kept.take();
        let outsider = thread::spawn(move || {
            wakers.iter().for_each(Waker::wake_by_ref);
            wakers
        });
        drop(set);
        drop(on);
        let here = thread::current().id();
        assert_eq!(dropped.iter().filter(|on| *on == here).count(), 10);
        for handle in handles {
            assert!(handle.is_finished());
            let joined = runtime.block_on(handle);
            assert!(matches!(joined, Err(JoinError::Cancelled)));
        }
        for waker in outsider.join().expect("returns") {
            waker.wake();
        }
    });
}

#[test]
fn a_spawner_that_outlives_its_set_refuses() {
    watched(|| {
        let runtime = Runtime::current_thread().expect("builds");
        let set = runtime.local_set();
        let spawner: LocalSpawner = set.spawner();
        drop(set);
        let dropped = Rc::new(Cell::new(false));
        let seen = dropped.clone();
        struct Sets(Rc<Cell<bool>>);
        impl Drop for Sets {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let own = Sets(seen);
        let task = spawner.spawn_local(async move { drop(own) });
        assert!(dropped.get(), "the future is dropped at once");
        assert!(matches!(
            runtime.block_on(task),
            Err(JoinError::Rejected(_))
        ));
    });
}

#[test]
fn timers_and_closures_of_the_runtime_wake_local_tasks() {
    watched(|| {
        for runtime in runtimes() {
            let set = runtime.local_set();
            let spawner = runtime.spawner();
            let counted = Rc::new(Cell::new(0));
            for _ in 0..10 {
                let (spawner, counted) = (spawner.clone(), counted.clone());
                set.spawn_local(async move {
                    spawner.sleep(Duration::from_micros(300)).await;
                    let one = spawner.unblock(|| 1).await.expect("runs");
                    counted.set(counted.get() + one);
                })
                .detach();
            }
            runtime.block_on(set.until_empty());
            assert_eq!(counted.get(), 10);
        }
    });
}

#[test]
fn a_panic_is_its_joiners_and_the_set_goes_on() {
    watched(|| {
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = seen.clone();
        let runtime = Runtime::builder()
            .current_thread()
            .on_panic(move |_| {
                counted.fetch_add(1, SeqCst);
            })
            .build()
            .expect("builds");
        let set = runtime.local_set();
        let joined = set.spawn_local(async { panic!("joined") });
        set.spawn_local(async { panic!("detached") }).detach();
        let after = set.spawn_local(async { Rc::new(3) });
        let (first, last) = runtime.block_on(set.run_until(async { (joined.await, after.await) }));
        assert!(matches!(first, Err(JoinError::Panicked(_))));
        assert_eq!(*last.expect("returns"), 3);
        assert_eq!(seen.load(SeqCst), 1, "the one that nobody joins");
    });
}

#[test]
fn two_polls_of_one_set_both_go_on() {
    watched(|| {
        let runtime = Runtime::current_thread().expect("builds");
        let set = runtime.local_set();
        let spawner = runtime.spawner();
        let long = {
            let spawner = spawner.clone();
            set.spawn_local(async move { spawner.sleep(Duration::from_millis(3)).await })
        };
        let short = set.spawn_local(async move { spawner.sleep(Duration::from_millis(1)).await });
        runtime.block_on(async {
            let (a, b) = futures_util::join!(set.run_until(long), set.run_until(short));
            a.expect("returns");
            b.expect("returns");
        });
    });
}

#[test]
#[should_panic(expected = "spawn_local was called outside of a LocalSet")]
fn spawn_local_outside_of_a_set_is_refused() {
    drop(spawn_local(async {}));
}
