//! The cooperative budget: what is always ready gives way.

mod watched;

use std::{
    future::{poll_fn, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use exec_core::Nanos;
use mini_executor::{Runtime, consume_budget, cooperative, unconstrained};
use watched::watched;

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().expect("builds")
}

/// Runs `endless` on the one worker until another task there has had its turn.
fn others_run_beside<F, Fut>(endless: F)
where
    F: FnOnce(Runtime, Arc<AtomicBool>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    watched(|| {
        let runtime = one_worker();
        let stop = Arc::new(AtomicBool::new(false));
        let other = one_worker();
        let spawner = runtime.spawner();
        let task = runtime.spawn(endless(other, stop.clone()));
        spawner
            .spawn(async move { stop.store(true, SeqCst) })
            .join()
            .expect("the endless task gives way");
        task.join().expect("stopped");
    });
}

#[test]
fn a_loop_that_consumes_budget_gives_way() {
    others_run_beside(|_, stop| async move {
        while !stop.load(SeqCst) {
            consume_budget().await;
        }
    });
}

#[test]
fn a_timer_that_is_always_due_gives_way() {
    others_run_beside(|timers, stop| async move {
        while !stop.load(SeqCst) {
            timers.sleep_until(Nanos(0)).await;
        }
    });
}

#[test]
fn a_foreign_future_that_is_always_ready_gives_way() {
    others_run_beside(|_, stop| async move {
        while !stop.load(SeqCst) {
            cooperative(ready(())).await;
        }
    });
}

#[test]
fn each_poll_has_a_full_budget() {
    watched(|| {
        let runtime = one_worker();
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let task = runtime.spawn(async move {
            let mut work = pin!(async {
                for _ in 0..1000 {
                    consume_budget().await;
                }
            });
            poll_fn(|cx| {
                counted.fetch_add(1, SeqCst);
                work.as_mut().poll(cx)
            })
            .await;
        });
        task.join().expect("ends");
        assert_eq!(polls.load(SeqCst), 1000_usize.div_ceil(128));
    });
}

#[test]
fn what_is_unconstrained_does_not_give_way() {
    watched(|| {
        let runtime = one_worker();
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let task = runtime.spawn(async move {
            let mut work = pin!(unconstrained(async {
                for _ in 0..1000 {
                    consume_budget().await;
                }
            }));
            poll_fn(|cx| {
                counted.fetch_add(1, SeqCst);
                work.as_mut().poll(cx)
            })
            .await;
            // What is left is as before.
            consume_budget().await;
        });
        task.join().expect("ends");
        assert_eq!(polls.load(SeqCst), 1);
    });
}

#[test]
fn what_is_not_ready_costs_nothing() {
    watched(|| {
        let runtime = one_worker();
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        // A thousand waits that are asked in each poll, in vain but for the last poll.
        let task = runtime.spawn(poll_fn(move |cx| {
            let poll = counted.fetch_add(1, SeqCst);
            for _ in 0..1000 {
                let mut wait = pin!(cooperative(poll_fn(|_| Poll::<()>::Pending)));
                assert!(wait.as_mut().poll(cx).is_pending());
            }
            if poll == 3 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        task.join().expect("ends");
        assert_eq!(polls.load(SeqCst), 4);
    });
}
