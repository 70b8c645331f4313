//! The join cell of exec-core: between a job and the one who waits for its result.
#![cfg(loom)]

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use exec_core::{
    Caps, Executor, Ground, Handle, Job, JoinError, Meta, Reason, Rejected, Shutdown,
    ShutdownReport, Stats, StdGround, Ticket,
    sync::with_seed,
    wait::{ParkWaiter, Waiter},
};
use loom::{sync::Mutex, thread};
use loom_tests::{breaks, holds};

/// Keeps what is scheduled until the model takes it.
#[derive(Default)]
struct Shelf(Mutex<Vec<Job>>, Option<CountsDrop>);

impl Shelf {
    fn take(&self) -> Option<Job> {
        self.0.lock().unwrap().pop()
    }

    /// Runs what is there; the jobs of these models do not panic.
    fn run(&self) -> bool {
        match self.take() {
            Some(job) => job.run().map(|()| true).expect("no panic"),
            None => false,
        }
    }
}

impl Executor for Shelf {
    fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
        self.0.lock().unwrap().push(job);
        Ok(Ticket::shared())
    }
    fn waiter(&self) -> &'static dyn Waiter {
        &ParkWaiter(StdGround)
    }
    fn ground(&self) -> &dyn Ground {
        &StdGround
    }
    fn caps(&self) -> Caps {
        Caps::new("shelf", 0)
    }
    fn shutdown(&self, _: Shutdown) -> ShutdownReport {
        ShutdownReport::default()
    }
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

fn shelf() -> Handle<Shelf> {
    Handle::new(Shelf::default())
}

/// Counts its drop (outside of loom's view: it is not part of the protocol).
struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn a_blocked_joiner_hears() {
    let shelf = shelf();
    let job = shelf.spawn(|| 7);
    let worker = {
        let shelf = shelf.clone();
        thread::spawn(move || assert!(shelf.executor().run()))
    };
    assert_eq!(job.join().unwrap(), 7);
    worker.join().unwrap();
}

#[test]
fn a_joiner_always_hears() {
    holds(20, a_blocked_joiner_hears);
}

#[test]
fn a_joiner_always_hears_breaks_when_complete_ignores_a_late_waker() {
    with_seed("complete ignores a waker that comes late", || {
        breaks(a_blocked_joiner_hears)
    });
}

/// The task's waker outlives it: what frees the cell in the end cannot be what drops the output.
fn output_meets_handle_drop() {
    let drops = Arc::new(AtomicUsize::new(0));
    let kept: Arc<std::sync::Mutex<Option<Waker>>> = Arc::default();
    let shelf = shelf();
    let task = {
        let (drops, kept) = (drops.clone(), kept.clone());
        shelf.spawn_async(poll_fn(move |cx| {
            *kept.lock().unwrap() = Some(cx.waker().clone());
            Poll::Ready(CountsDrop(drops.clone()))
        }))
    };
    let worker = {
        let shelf = shelf.clone();
        thread::spawn(move || assert!(shelf.executor().run()))
    };
    drop(task);
    worker.join().unwrap();
    assert_eq!(
        drops.load(SeqCst),
        1,
        "dropped once, by the last of handle and completer"
    );
    let waker = kept.lock().unwrap().take();
    drop(waker);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn an_unread_output_is_dropped_once_and_at_once() {
    holds(5, output_meets_handle_drop);
}

#[test]
fn an_unread_output_is_dropped_once_breaks_when_the_handle_leaves_it() {
    with_seed("the handle leaves the output to the completer", || {
        breaks(output_meets_handle_drop)
    });
}

fn cancel_meets_run() {
    let ran = Arc::new(AtomicUsize::new(0));
    let shelf = shelf();
    let job = {
        let ran = ran.clone();
        shelf.spawn(move || ran.fetch_add(1, SeqCst))
    };
    let worker = {
        let shelf = shelf.clone();
        thread::spawn(move || assert!(shelf.executor().run()))
    };
    let cancelled = job.cancel();
    match job.join() {
        Ok(_) => assert!(!cancelled),
        Err(JoinError::Cancelled) => assert!(cancelled),
        Err(other) => panic!("{other}"),
    }
    worker.join().unwrap();
    assert_eq!(ran.load(SeqCst), usize::from(!cancelled));
}

#[test]
fn a_job_runs_or_is_cancelled() {
    holds(5, cancel_meets_run);
}

#[test]
fn a_job_runs_or_is_cancelled_breaks_when_claiming_is_two_steps() {
    with_seed("claim reads, then writes", || breaks(cancel_meets_run));
}

struct CountsWakes(AtomicUsize);

impl Wake for CountsWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn waker_is_replaced_while_completing() {
    let shelf = shelf();
    let job = shelf.spawn(|| 3);
    let worker = {
        let shelf = shelf.clone();
        thread::spawn(move || assert!(shelf.executor().run()))
    };
    let (old, new) = (
        Arc::new(CountsWakes(AtomicUsize::new(0))),
        Arc::new(CountsWakes(AtomicUsize::new(0))),
    );
    let mut job = pin!(job);
    let mut ready = false;
    for wakes in [&old, &new] {
        let waker = Waker::from(wakes.clone());
        if !ready && let Poll::Ready(value) = job.as_mut().poll(&mut Context::from_waker(&waker)) {
            assert_eq!(value.unwrap(), 3);
            ready = true;
        }
    }
    worker.join().unwrap();
    assert!(
        ready || new.0.load(SeqCst) == 1,
        "neither ready nor woken by the last waker"
    );
    assert!(
        old.0.load(SeqCst) + new.0.load(SeqCst) <= 1,
        "one completion wakes once"
    );
}

#[test]
fn the_last_waker_is_the_one_woken() {
    holds(10, waker_is_replaced_while_completing);
}

#[test]
fn the_last_waker_is_the_one_woken_breaks_when_complete_looks_first() {
    with_seed("complete looks before it leaps", || {
        breaks(waker_is_replaced_while_completing)
    });
}

/// A future that is ready when the flag is set, and a thread that sets it and wakes.
fn wake_meets_poll() {
    let shelf = shelf();
    let flag = Arc::new(loom::sync::atomic::AtomicBool::new(false));
    let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
    let task = {
        let (flag, slot) = (flag.clone(), slot.clone());
        shelf.spawn_async(poll_fn(move |cx| {
            *slot.lock().unwrap() = Some(cx.waker().clone());
            if flag.load(loom::sync::atomic::Ordering::Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    };
    let waking = thread::spawn(move || {
        flag.store(true, loom::sync::atomic::Ordering::Release);
        let waker = slot.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    // The worker polls as long as there is something to poll.
    while shelf.executor().run() {}
    waking.join().unwrap();
    while shelf.executor().run() {}
    assert!(task.is_finished(), "the wake was lost");
}

#[test]
fn a_wake_during_a_poll_is_kept() {
    holds(20, wake_meets_poll);
}

#[test]
fn a_wake_during_a_poll_is_kept_breaks_when_idle_forgets_it() {
    with_seed("idle forgets a wake", || breaks(wake_meets_poll));
}

/// A waker of a future, woken by value beside one that is woken and kept: whatever each finds, the
/// future is polled again, and the counts come out even: in the end the cell is freed, and with it
/// the executor, which its home keeps.
fn wakes_meet_each_other() {
    let drops = Arc::new(AtomicUsize::new(0));
    let shelf = Handle::new(Shelf(Mutex::default(), Some(CountsDrop(drops.clone()))));
    let (polls, slot) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
    let task = {
        let (polls, slot) = (polls.clone(), slot.clone());
        shelf.spawn_async(poll_fn(move |cx| {
            *slot.lock().unwrap() = Some(cx.waker().clone());
            polls.fetch_add(1, SeqCst);
            Poll::<()>::Pending
        }))
    };
    assert!(shelf.executor().run());
    let kept: Waker = slot.lock().unwrap().take().expect("polled");
    let going = kept.clone();
    let waking = thread::spawn(move || going.wake());
    kept.wake_by_ref();
    while shelf.executor().run() {}
    waking.join().unwrap();
    while shelf.executor().run() {}
    let polls = polls.load(SeqCst);
    assert!(polls == 2 || polls == 3, "{polls} polls for two wakes");
    drop(kept);
    slot.lock().unwrap().take();
    task.cancel();
    while shelf.executor().run() {}
    assert!(task.is_finished());
    drop((task, shelf));
    assert_eq!(drops.load(SeqCst), 1, "the cell was freed");
}

#[test]
fn wakes_leave_the_count_even() {
    holds(20, wakes_meet_each_other);
}

#[test]
fn wakes_leave_the_count_even_breaks_when_a_waker_keeps_its_reference() {
    with_seed("a waker that goes keeps its reference", || {
        breaks(wakes_meet_each_other);
    });
}

#[test]
fn a_refused_job_is_handed_back_or_told() {
    struct Refuses;
    impl Executor for Refuses {
        fn schedule(&self, job: Job, _: &Meta<'_>) -> Result<Ticket, Rejected> {
            Err(Rejected::new(job, Reason::Full))
        }
        fn waiter(&self) -> &'static dyn Waiter {
            &ParkWaiter(StdGround)
        }
        fn ground(&self) -> &dyn Ground {
            &StdGround
        }
        fn caps(&self) -> Caps {
            Caps::new("refuses", 0)
        }
        fn shutdown(&self, _: Shutdown) -> ShutdownReport {
            ShutdownReport::default()
        }
        fn stats(&self) -> Stats {
            Stats::default()
        }
    }
    // One thread, so one execution: loom checks that every cell is freed and none used after.
    holds(1, || {
        let handle = Handle::new(Refuses);
        assert!(matches!(
            handle.spawn(|| 1).join(),
            Err(JoinError::Rejected(Reason::Full))
        ));
        let back = handle.try_spawn(|| 2).expect_err("refused");
        assert_eq!((back.into_job())(), 2);
        let task = handle.spawn_async(async { 3 });
        assert!(matches!(
            task.join(),
            Err(JoinError::Rejected(Reason::Full))
        ));
    });
}

/// The second poll of a future that nobody joins meets the end of its last waker: the later one frees the
/// cell, and with it the future as the poll left it, or what is left of one that `ends` then.
fn poll_meets_the_last_waker(ends: bool) {
    let drops = Arc::new(AtomicUsize::new(0));
    let held = CountsDrop(drops.clone());
    // The cell keeps the executor.
    let freed = Arc::new(AtomicUsize::new(0));
    let shelf = Handle::new(Shelf(Mutex::default(), Some(CountsDrop(freed.clone()))));
    let slot = Arc::new(Mutex::new(None));
    let task = {
        let slot = slot.clone();
        let mut polls = 0;
        shelf.spawn_async(poll_fn(move |cx| {
            let _held = &held;
            polls += 1;
            if polls == 1 {
                *slot.lock().unwrap() = Some(cx.waker().clone());
            }
            match ends && polls == 2 {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }))
    };
    assert!(shelf.executor().run());
    let kept: Waker = slot.lock().unwrap().take().expect("polled");
    drop(task);
    kept.wake_by_ref();
    let going = thread::spawn(move || drop(kept));
    assert!(shelf.executor().run());
    going.join().unwrap();
    drop(shelf);
    assert_eq!(drops.load(SeqCst), 1, "the future was dropped once");
    assert_eq!(freed.load(SeqCst), 1, "the cell was freed");
}

#[test]
fn the_last_one_to_go_frees_the_cell() {
    holds(3, || poll_meets_the_last_waker(false));
}

#[test]
fn the_last_one_to_go_frees_a_complete_cell() {
    holds(3, || poll_meets_the_last_waker(true));
}

#[test]
fn the_last_one_to_go_frees_a_complete_cell_breaks_when_one_is_forgotten() {
    with_seed("who completes forgets one that is there", || {
        breaks(|| poll_meets_the_last_waker(true));
    });
}

#[test]
fn the_last_one_to_go_frees_the_cell_breaks_with_a_look_and_a_write() {
    with_seed("who goes looks, then writes", || {
        breaks(|| poll_meets_the_last_waker(false));
    });
}
