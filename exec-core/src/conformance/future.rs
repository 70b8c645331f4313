//! Futures on any model.

use core::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    Config, Make, Outcome,
    gate::{Count, CountsDrop, Gate},
};
use crate::{
    JoinError, Shutdown,
    sync::{Arc, TryLock},
};

/// Ready at its second poll; wakes itself at the first.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A place for one waker that any thread may fill or empty.
#[derive(Clone, Default)]
struct Slot(Arc<TryLock<Option<Waker>>>);

impl Slot {
    fn put(&self, waker: &Waker) {
        while self
            .0
            .try_with(|slot| *slot = Some(waker.clone()))
            .is_none()
        {}
    }
    fn take(&self) -> Option<Waker> {
        loop {
            if let Some(taken) = self.0.try_with(Option::take) {
                return taken;
            }
        }
    }
}

pub(super) fn spawn_async_returns_the_output(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    for n in 0..config.many / 8 {
        assert_eq!(
            handle
                .spawn_async(async move { n + 1 })
                .join()
                .expect("returns"),
            n + 1
        );
    }
    Ok(())
}

pub(super) fn yields_many_times(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let task = handle.spawn_async(async {
        for _ in 0..200 {
            YieldOnce(false).await;
        }
        "through"
    });
    assert_eq!(task.join().expect("returns"), "through");
    Ok(())
}

pub(super) fn is_woken_by_a_job(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    for _ in 0..20 {
        let (slot, gate) = (Slot::default(), Gate::default());
        let task = {
            let (slot, gate) = (slot.clone(), gate.clone());
            handle.spawn_async(poll_fn(move |cx| {
                slot.put(cx.waker());
                if gate.is_open() {
                    Poll::Ready(8)
                } else {
                    Poll::Pending
                }
            }))
        };
        let waking = {
            let gate = gate.clone();
            handle.spawn(move || {
                gate.open();
                if let Some(waker) = slot.take() {
                    waker.wake();
                }
            })
        };
        waking.join().expect("the waking job returns");
        assert_eq!(task.join().expect("the task was woken"), 8);
    }
    Ok(())
}

pub(super) fn wakes_coalesce(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let (slot, polls, gate) = (Slot::default(), Count::default(), Gate::default());
    let task = {
        let (slot, polls, gate) = (slot.clone(), polls.clone(), gate.clone());
        handle.spawn_async(poll_fn(move |cx| {
            polls.add();
            slot.put(cx.waker());
            if gate.is_open() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    };
    polls.wait_for(1, handle.ground());
    let waker = loop {
        match slot.take() {
            Some(waker) => break waker,
            None => handle.ground().yield_now(),
        }
    };
    for _ in 0..10_000 {
        waker.wake_by_ref();
    }
    gate.open();
    waker.wake();
    task.join().expect("returns");
    assert!(
        polls.get() <= 10_002,
        "more polls than wakes: {}",
        polls.get()
    );
    Ok(())
}

pub(super) fn cancel_drops_a_waiting_future(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let (drops, polled) = (Count::default(), Count::default());
    let task = {
        let held = CountsDrop(drops.clone());
        let polled = polled.clone();
        handle.spawn_async(async move {
            let _held = held;
            polled.add();
            pending::<()>().await;
        })
    };
    polled.wait_for(1, handle.ground());
    assert_eq!(drops.get(), 0);
    assert!(task.cancel(), "a waiting future can be cancelled");
    assert!(matches!(task.join(), Err(JoinError::Cancelled)));
    assert_eq!(
        drops.get(),
        1,
        "the future was dropped before its joiner heard of it"
    );
    Ok(())
}

pub(super) fn two_tasks_ping_pong(make: Make<'_>, _: &Config) -> Outcome {
    const ROUNDS: usize = 50;
    let handle = make();
    let turns = Count::default();
    let slots = [Slot::default(), Slot::default()];
    let player = |me: usize| {
        let (turns, slots) = (turns.clone(), slots.clone());
        async move {
            for round in 0..ROUNDS {
                poll_fn(|cx| {
                    slots[me].put(cx.waker());
                    if turns.get() == 2 * round + me {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                turns.add();
                if let Some(waker) = slots[1 - me].take() {
                    waker.wake();
                }
            }
        }
    };
    let (ping, pong) = (handle.spawn_async(player(0)), handle.spawn_async(player(1)));
    ping.join().expect("ping returns");
    pong.join().expect("pong returns");
    assert_eq!(turns.get(), 2 * ROUNDS);
    Ok(())
}

pub(super) fn awaits_a_handle(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let inner = handle.clone();
    let task = handle.spawn_async(async move {
        let closure = inner.spawn(|| 20).await.expect("the closure returns");
        let future = inner
            .spawn_async(async { 22 })
            .await
            .expect("the future returns");
        closure + future
    });
    assert_eq!(task.join().expect("returns"), 42);
    Ok(())
}

pub(super) fn late_wakes_are_harmless(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let slot = Slot::default();
    let task = {
        let slot = slot.clone();
        handle.spawn_async(poll_fn(move |cx| {
            slot.put(cx.waker());
            Poll::Ready(())
        }))
    };
    task.join().expect("returns");
    let waker = slot.take().expect("the task left its waker");
    waker.wake_by_ref();
    assert_eq!(handle.shutdown(Shutdown::Drain).leaked, 0);
    waker.wake_by_ref();
    drop(handle);
    let last = waker.clone();
    drop(waker);
    last.wake();
    Ok(())
}

pub(super) fn block_on_waits_for_a_job(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let spawner = handle.clone();
    let sum = handle.block_on(async move {
        let mut sum = 0;
        for n in 0..10 {
            sum += spawner.spawn(move || n).await.expect("returns");
            YieldOnce(false).await;
        }
        sum
    });
    assert_eq!(sum, 45);
    Ok(())
}
