//! Faults of a task, of a waker, of time: nothing is lost, torn, or run twice.

mod watched;

use std::{
    future::{Future, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use exec_core::{
    CreateError, CreateReason, Executor, Ground, Job, Nanos, Reason, ThreadJoinError, ThreadSpec,
    Threads,
};
use kernel_bridge::Host;
use mini_executor::{JoinError, Runtime, Shutdown, yield_now};
use watched::watched;

fn workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).build().expect("builds")
}

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A waker that panics when it is called and when it is dropped.
struct Panics(Arc<AtomicUsize>);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        panic!("a waker");
    }
}

#[test]
fn a_waker_that_panics_tears_neither_timers_nor_tasks() {
    watched(|| {
        let runtime = workers(1);
        let called = Arc::new(AtomicUsize::new(0));
        let waker = Waker::from(Arc::new(Panics(called.clone())));
        let at = Host.now().saturating_add(Duration::from_millis(1));
        assert!(runtime.wake_at(at, &waker));
        runtime.block_on(runtime.sleep(Duration::from_millis(3)));
        while called.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        // As the waker of a joiner.
        let (go, gone) = mpsc::channel::<()>();
        let mut task = runtime.spawn(async move {
            let _ = gone.recv();
            7
        });
        let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(go);
        assert_eq!(task.join().expect("ends"), 7);
        assert_eq!(runtime.spawn(async { 8 }).join().expect("intact"), 8);
    });
}

#[test]
fn an_iterator_that_panics_between_spawns_leaves_the_group_usable() {
    watched(|| {
        let runtime = workers(2);
        let mut set = runtime.join_set();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            for n in (0..10).inspect(|&n| assert!(n < 5, "the iterator")) {
                set.spawn(async move { n });
            }
        }));
        assert!(caught.is_err());
        set.spawn(ready(10));
        let mut ended = runtime.block_on(set.join_all()).expect("all end");
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2, 3, 4, 10]);
    });
}

#[test]
fn a_wake_after_the_end_is_nothing() {
    watched(|| {
        let runtime = workers(1);
        let drops = Arc::new(AtomicUsize::new(0));
        let (give, wakers) = mpsc::channel();
        let held = CountsDrop(drops.clone());
        let mut task = runtime.spawn(poll_fn(move |cx| {
            let _held = &held;
            let _ = give.send(cx.waker().clone());
            Poll::Ready(())
        }));
        let waker: Waker = wakers.recv().expect("polled");
        runtime.block_on(&mut task).expect("ends");
        assert_eq!(drops.load(SeqCst), 1, "a waker keeps no future");
        waker.wake_by_ref();
        let other = runtime.spawn(pending::<()>());
        drop(runtime);
        // After the runtime, too; and the last one frees the task.
        waker.wake_by_ref();
        drop((waker, other));
    });
}

#[test]
fn wakers_that_are_kept_keep_no_future() {
    watched(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (give, wakers) = mpsc::channel();
        let runtime = workers(2);
        for _ in 0..100 {
            let (give, held) = (give.clone(), CountsDrop(drops.clone()));
            runtime
                .spawn(poll_fn(move |cx| {
                    let _held = &held;
                    let _ = give.send(cx.waker().clone());
                    Poll::<()>::Pending
                }))
                .detach();
        }
        let kept: Vec<Waker> = wakers.iter().take(100).collect();
        drop(runtime);
        assert_eq!(drops.load(SeqCst), 100, "each future was dropped once");
        kept.iter().for_each(Waker::wake_by_ref);
    });
}

#[test]
fn what_is_polled_after_its_end_says_so() {
    fn again<F: Future + Unpin>(runtime: &Runtime, mut future: F) -> String {
        runtime.block_on(&mut future);
        let mut cx = Context::from_waker(Waker::noop());
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _ = Pin::new(&mut future).poll(&mut cx);
        }));
        let payload = caught.expect_err("polled after its end");
        exec_core::unwind::message(&payload)
            .expect("a text")
            .to_owned()
    }
    watched(|| {
        let runtime = workers(1);
        for text in [
            again(&runtime, runtime.spawn(async {})),
            again(&runtime, runtime.unblock(|| ())),
        ] {
            assert!(text.contains("after it had returned its result"), "{text}");
        }
        // A sleep that is over is over.
        let mut slept = runtime.sleep(Duration::ZERO);
        runtime.block_on(&mut slept);
        runtime.block_on(&mut slept);
    });
}

#[test]
fn a_driven_future_whose_drop_panics_leaves_the_runtime_intact() {
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("the drop");
        }
    }
    watched(|| {
        for runtime in [workers(1), Runtime::current_thread().expect("builds")] {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let _held = PanicsInDrop;
                    yield_now().await;
                });
            }));
            assert!(caught.is_err());
            let task = runtime.spawn(async {
                let _held = PanicsInDrop;
            });
            let joined = runtime.block_on(task);
            assert!(matches!(joined, Err(JoinError::Panicked(_))));
            assert_eq!(
                runtime.block_on(runtime.spawn(ready(1))).expect("intact"),
                1
            );
        }
    });
}

/// The host, except that it gives no more threads once it is told so, and that its clock may jump.
#[derive(Clone, Copy, Default)]
struct Rigged;

static THREADS_LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
static AHEAD_NS: AtomicU64 = AtomicU64::new(0);
/// The next refusal of a thread tells that it has begun, and waits until it may be told.
static LATE: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>> = Mutex::new(None);

impl Ground for Rigged {
    fn park(&self, until: Option<Nanos>) {
        let ahead = AHEAD_NS.load(SeqCst);
        Host.park(until.map(|at| match at {
            Nanos::MAX => at,
            Nanos(at) => Nanos(at.saturating_sub(ahead)),
        }));
    }
    fn unparker(&self) -> Waker {
        Host.unparker()
    }
    fn yield_now(&self) {
        Host.yield_now();
    }
    fn now(&self) -> Nanos {
        Nanos(Host.now().0 + AHEAD_NS.load(SeqCst))
    }
    fn parallelism(&self) -> usize {
        Host.parallelism()
    }
}

impl Threads for Rigged {
    type Thread = <Host as Threads>::Thread;
    fn create(&self, spec: &ThreadSpec, entry: Job) -> Result<Self::Thread, CreateError> {
        let left = THREADS_LEFT.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1));
        if left.is_err() {
            let late = LATE.lock().unwrap().take();
            if let Some((begun, refused)) = late {
                let _ = begun.send(());
                let _ = refused.recv();
            }
            return Err(CreateError {
                entry,
                reason: CreateReason::OutOfThreads("that was all".into()),
            });
        }
        Host.create(spec, entry)
    }
    fn join(&self, thread: Self::Thread) -> Result<i32, ThreadJoinError> {
        Host.join(thread)
    }
    fn is_current(&self, thread: &Self::Thread) -> bool {
        Host.is_current(thread)
    }
    fn local(&self) -> *mut () {
        Host.local()
    }
    unsafe fn set_local(&self, p: *mut ()) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Host.set_local(p) };
    }
}

/// The two that rig the ground take turns.
static RIG: Mutex<()> = Mutex::new(());

#[test]
fn closures_come_back_or_wait_when_no_more_threads_are_given() {
    watched(|| {
        let _rig = RIG.lock().unwrap();
        let runtime = Runtime::<Rigged>::on_ground().workers(1).build();
        let runtime = runtime.expect("builds");
        // No thread at all: the closure comes back, not run.
        THREADS_LEFT.store(0, SeqCst);
        let refused = runtime.try_spawn_blocking(|| 1).expect_err("no thread");
        assert!(matches!(refused.reason, Reason::OutOfThreads(_)));
        assert_eq!((refused.job)(), 1);
        let joined = runtime.block_on(runtime.unblock(|| 1));
        assert!(matches!(
            joined,
            Err(JoinError::Rejected(Reason::OutOfThreads(_)))
        ));
        // And a worker that blocks has no stand-in, but blocks as it wants.
        let spawner = runtime.spawner();
        let task = runtime.spawn(async move { spawner.block_in_place(|| 2) });
        assert_eq!(task.join().expect("ends"), 2);
        // One thread: what comes next waits for it.
        THREADS_LEFT.store(1, SeqCst);
        let (go, gone) = mpsc::channel::<()>();
        let first = runtime.try_spawn_blocking(move || {
            let _ = gone.recv();
            3
        });
        let first = first.expect("one thread");
        let second = runtime.try_spawn_blocking(|| 4).expect("queued");
        drop(go);
        assert_eq!(first.join().expect("ends"), 3);
        assert_eq!(second.join().expect("ends"), 4);
        THREADS_LEFT.store(usize::MAX, SeqCst);
        assert!(runtime.shutdown(Shutdown::Drain).is_clean());
    });
}

#[test]
fn a_closure_queued_for_a_thread_that_is_then_not_given_is_cancelled() {
    watched(|| {
        let _rig = RIG.lock().unwrap();
        let runtime = Runtime::<Rigged>::on_ground()
            .workers(1)
            .blocking(1, 8)
            .build();
        let runtime = runtime.expect("builds");
        THREADS_LEFT.store(0, SeqCst);
        let (begun, begins) = mpsc::channel();
        let (refuse, refused) = mpsc::channel();
        *LATE.lock().unwrap() = Some((begun, refused));
        std::thread::scope(|scope| {
            let first = scope.spawn(|| runtime.try_spawn_blocking(|| 1));
            begins.recv().expect("the thread is asked for");
            // The one thread that there may be is being made: this closure waits for it.
            let second = runtime.try_spawn_blocking(|| 2).expect("queued");
            refuse.send(()).expect("it waits");
            let first = first.join().expect("returns").expect_err("no thread");
            assert!(matches!(first.reason, Reason::OutOfThreads(_)));
            assert_eq!((first.job)(), 1);
            assert!(matches!(second.join(), Err(JoinError::Cancelled)));
        });
        // The place that nobody took is free again.
        THREADS_LEFT.store(usize::MAX, SeqCst);
        let third = runtime.try_spawn_blocking(|| 3).expect("one thread");
        assert_eq!(third.join().expect("ends"), 3);
        let report = runtime.shutdown(Shutdown::Drain);
        assert_eq!((report.cancelled, report.leaked), (1, 0), "{report}");
    });
}

#[test]
fn timers_that_a_jump_of_the_clock_makes_late_fire_once_and_in_order() {
    watched(|| {
        let _rig = RIG.lock().unwrap();
        // Without the next slot tasks run in the order of their wakes.
        let runtime = Runtime::<Rigged>::on_ground()
            .workers(1)
            .lifo_slot(false)
            .build();
        let runtime = runtime.expect("builds");
        let fired: Arc<Mutex<Vec<u64>>> = Arc::default();
        let tasks: Vec<_> = (0..50_u64)
            .map(|n| {
                let (spawner, fired) = (runtime.spawner(), fired.clone());
                let minute = 50 - n;
                runtime.spawn(async move {
                    spawner.sleep(Duration::from_secs(60 * minute)).await;
                    fired.lock().unwrap().push(minute);
                })
            })
            .collect();
        // Each has been polled once, and has set its timer.
        while runtime.metrics().polls < 50 {
            std::thread::yield_now();
        }
        assert!(fired.lock().unwrap().is_empty());
        AHEAD_NS.fetch_add(3_600_000_000_000, SeqCst);
        // The worker sleeps by the old clock; any wake lets it look.
        for task in tasks {
            while !task.is_finished() {
                runtime.spawn(async {}).join().expect("ends");
            }
            task.join().expect("ends");
        }
        let mut sorted: Vec<u64> = (1..=50).collect();
        let mut seen = fired.lock().unwrap().clone();
        assert_eq!(seen, sorted, "in the order of their deadlines");
        seen.sort_unstable();
        sorted.dedup();
        assert_eq!(seen, sorted, "each once");
    });
}

#[test]
fn timers_that_are_reset_and_dropped_while_they_fire_fire_once_at_most() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    watched(|| {
        let runtime = workers(2);
        for round in 0..2_000_u64 {
            let counts = Arc::new(Counts(AtomicUsize::new(0)));
            let waker = Waker::from(counts.clone());
            let mut cx = Context::from_waker(&waker);
            let spawner = runtime.spawner();
            let mut sleep = spawner.sleep(Duration::from_micros(round % 40));
            let first = Pin::new(&mut sleep).poll(&mut cx);
            if round % 2 == 0 {
                drop(sleep);
                assert!(counts.0.load(SeqCst) <= 1);
            } else {
                let again = spawner.now().saturating_add(Duration::from_micros(30));
                sleep.reset(again);
                runtime.block_on(&mut sleep);
                assert!(spawner.now() >= again);
                // Once for each deadline that it has waited for.
                let most = usize::from(first.is_pending()) + 1;
                assert!(counts.0.load(SeqCst) <= most);
            }
        }
    });
}

#[test]
fn a_million_timers_of_one_moment_leave_the_tasks_their_turns() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
        fn wake_by_ref(self: &Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    const MANY: usize = 1_000_000;
    watched(|| {
        // By the virtual clock, so that all are due in one moment however long it takes to set them.
        let runtime = Runtime::builder().seeded(1).workers(1).build();
        let runtime = runtime.expect("builds");
        let counts = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(counts.clone());
        let at = Nanos(1_000_000);
        for _ in 0..MANY {
            assert!(runtime.wake_at(at, &waker));
        }
        runtime.block_on(runtime.sleep_until(Nanos(2_000_000)));
        assert_eq!(counts.0.load(SeqCst), MANY);
        // And on a worker, some at a time: a task has turns before all have fired.
        let runtime = workers(1);
        counts.0.store(0, SeqCst);
        let seen = {
            let (spawner, counts, waker) = (runtime.spawner(), counts.clone(), waker.clone());
            runtime.spawn(async move {
                let at = spawner.now().saturating_add(Duration::from_millis(50));
                // Those that are due already have no timer.
                let timers: Vec<_> = (0..MANY / 10)
                    .filter_map(|_| {
                        let mut timer = Box::pin(spawner.sleep_until(at));
                        let mut cx = Context::from_waker(&waker);
                        timer.as_mut().poll(&mut cx).is_pending().then_some(timer)
                    })
                    .collect();
                let mut turns_between = 0;
                let mut last = 0;
                while last < timers.len() {
                    yield_now().await;
                    let now = counts.0.load(SeqCst);
                    turns_between += usize::from(last < now && now < timers.len());
                    last = now;
                }
                (last, turns_between)
            })
        };
        let (fired, turns_between) = seen.join().expect("ends");
        assert!(fired < 1_000 || turns_between > 0, "{fired} at one go");
    });
}

#[test]
fn a_cycle_of_blocking_joins_on_one_worker_is_an_error_or_ends() {
    watched(|| {
        // Two tasks that await each other wait for ever, as any two futures would: the runtime can
        // still be ended, and both joiners hear of it.
        let runtime = workers(2);
        let (a_to, a) = mpsc::channel();
        let (b_to, b) = mpsc::channel();
        let joins = |other: mpsc::Receiver<mini_executor::JoinHandle<()>>| async move {
            let other = pin!(other.recv().expect("sent"));
            let _ = other.await;
        };
        let (first, second) = (runtime.spawn(joins(b)), runtime.spawn(joins(a)));
        a_to.send(first).expect("it waits");
        b_to.send(second).expect("it waits");
        let report = runtime.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert_eq!(report.cancelled, 2, "{report}");
    });
}
