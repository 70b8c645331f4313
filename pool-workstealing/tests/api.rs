//! The interface by its names: each does what it says.

mod watchdog;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    thread,
    time::Duration,
};

use exec_core::{Executor, Shutdown};
use pool_workstealing::{
    ThreadPool, ThreadPoolBuilder, Worker, Yield, broadcast, current_num_threads,
    current_thread_index, in_place_scope, in_place_scope_fifo, join, join_context, scope,
    scope_fifo, spawn, spawn_broadcast, spawn_fifo, yield_local, yield_now,
};
use watchdog::watched;

fn pool(threads: usize) -> ThreadPool {
    ThreadPool::new(threads).expect("a pool")
}

/// Jobs of one worker, in the order in which that worker runs them.
fn order_of(spawn: impl Fn(usize, Box<dyn FnOnce() + Send>) + Send) -> Vec<usize> {
    let pool = pool(1);
    let ran = Arc::new(Mutex::new(Vec::new()));
    let list = ran.clone();
    pool.install(move || {
        for n in 0..5 {
            let list = list.clone();
            spawn(n, Box::new(move || list.lock().expect("no panic").push(n)));
        }
    });
    assert!(pool.shutdown(Shutdown::Drain).is_clean());
    let ran = ran.lock().expect("no panic");
    ran.clone()
}

#[test]
fn a_worker_runs_its_newest_spawn_first_and_its_oldest_fifo_spawn() {
    watched(30, || {
        assert_eq!(order_of(|_, job| spawn(job)), [4, 3, 2, 1, 0]);
        assert_eq!(order_of(|_, job| spawn_fifo(job)), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn spawns_from_outside_run_oldest_first() {
    watched(30, || {
        for fifo in [false, true] {
            let pool = pool(1);
            let (send, receive) = mpsc::channel();
            for n in 0..1_000 {
                let send = send.clone();
                let job = move || send.send(n).expect("the test listens");
                if fifo {
                    pool.spawn_fifo(job);
                } else {
                    pool.spawn(job);
                }
            }
            drop(send);
            assert!(receive.iter().eq(0..1_000));
        }
    });
}

#[test]
fn the_free_functions_use_the_pool_of_their_worker() {
    watched(30, || {
        let pool = pool(3);
        let (send, receive) = mpsc::channel();
        pool.install(|| {
            assert_eq!(current_num_threads(), 3);
            assert!(current_thread_index().is_some_and(|index| index < 3));
            assert_eq!(join(current_num_threads, || 2), (3, 2));
            let (a, b) = join_context(|a| a.migrated(), |b| b.migrated());
            assert!(!a, "the first half stays, the second ({b}) may go");
            let ran = AtomicUsize::new(0);
            let count = || {
                assert_eq!(current_num_threads(), 3);
                ran.fetch_add(1, Relaxed);
            };
            scope(|s| s.spawn(|_| count()));
            scope_fifo(|s| s.spawn_fifo(|_| count()));
            in_place_scope(|s| s.spawn(|_| count()));
            in_place_scope_fifo(|s| s.spawn_fifo(|_| count()));
            scope(|s| s.spawn_broadcast(|_, _| count()));
            assert_eq!(ran.load(Relaxed), 7);
            assert_eq!(broadcast(|context| context.num_threads()), [3, 3, 3]);
            spawn_broadcast(move |context| {
                send.send(context.index()).expect("the test listens");
            });
        });
        let mut told: Vec<_> = receive.iter().collect();
        told.sort_unstable();
        assert_eq!(told, [0, 1, 2]);
        assert_eq!(pool.current_thread_index(), None, "this is no worker");
        assert!(Worker::with_current(|worker| worker.is_none()));
    });
}

#[test]
fn the_global_pool_is_built_when_it_is_first_needed() {
    watched(30, || {
        assert_eq!(current_thread_index(), None);
        let (index, threads) = join(current_thread_index, current_num_threads);
        assert!(index.is_some_and(|index| index < threads));
        assert_eq!(scope(|_| current_num_threads()), threads);
    });
}

#[test]
fn yields_run_what_is_there() {
    watched(30, || {
        assert_eq!((yield_now(), yield_local()), (None, None), "no worker");
        let pool = pool(1);
        pool.install(|| {
            assert_eq!(yield_now(), Some(Yield::Idle));
            assert_eq!(yield_local(), Some(Yield::Idle));
            let ran = Arc::new(AtomicUsize::new(0));
            let count = || {
                let ran = ran.clone();
                move || {
                    ran.fetch_add(1, SeqCst);
                }
            };
            spawn(count());
            assert_eq!(yield_local(), Some(Yield::Executed));
            spawn(count());
            assert_eq!(yield_now(), Some(Yield::Executed));
            assert_eq!(ran.load(SeqCst), 2);
        });
        // What comes from outside is for `yield_now` only.
        pool.install(|| {
            let ran = Arc::new(AtomicBool::new(false));
            let set = ran.clone();
            thread::scope(|s| {
                s.spawn(|| pool.spawn(move || set.store(true, SeqCst)));
            });
            assert_eq!(yield_local(), Some(Yield::Idle));
            assert_eq!(yield_now(), Some(Yield::Executed));
            assert!(ran.load(SeqCst));
        });
    });
}

#[test]
fn closures_and_futures_share_the_workers() {
    watched(30, || {
        let pool = Arc::new(pool(2));
        let own = pool.clone();
        let task = pool.spawn_async(async move {
            assert!(current_thread_index().is_some());
            let inner = own.spawn_async(async { 20 });
            inner.await.expect("runs") + own.spawn_with_handle(|| 22).await.expect("runs")
        });
        assert_eq!(task.join().expect("runs"), 42);
        let executor: &dyn Executor = &*pool;
        assert!(executor.caps().parallel_join);
    });
}

#[test]
fn a_stopped_pool_has_joined_its_threads() {
    watched(30, || {
        let left = Arc::new(AtomicUsize::new(0));
        let exits = left.clone();
        let pool = ThreadPoolBuilder::new()
            .num_threads(4)
            .exit_handler(move |_| {
                exits.fetch_add(1, SeqCst);
            })
            .build()
            .expect("a pool");
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        pool.wait_until_stopped();
        assert_eq!(left.load(SeqCst), 4);
    });
}

/// A drain would wait for ever for a future that nobody wakes; a deadline cancels it.
#[test]
fn a_deadline_cancels_a_future_that_is_never_woken() {
    watched(30, || {
        let pool = pool(2);
        let held = Arc::new(());
        let captured = held.clone();
        let task = pool.spawn_async(async move {
            std::future::pending::<()>().await;
            drop(captured);
        });
        let report = pool.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert_eq!((report.cancelled, report.leaked), (1, 0), "{report}");
        assert!(task.join().expect_err("it never ends").is_cancelled());
        pool.wait_until_stopped();
        assert_eq!(Arc::strong_count(&held), 1, "the future is dropped");
    });
}

#[test]
fn two_threads_may_shut_a_pool_down_at_once() {
    watched(60, || {
        for _ in 0..100 {
            let pool = pool(2);
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..50 {
                let ran = ran.clone();
                pool.spawn(move || {
                    ran.fetch_add(1, SeqCst);
                });
            }
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| assert!(pool.shutdown(Shutdown::Drain).is_clean()));
                }
            });
            assert_eq!(ran.load(SeqCst), 50);
        }
    });
}

#[test]
fn each_worker_tells_what_it_did() {
    watched(30, || {
        let pool = pool(2);
        pool.start_recording(1 << 10);
        // Each half waits for the other: one of them is exposed and stolen.
        let (both, other) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let meet = |mine: &AtomicUsize, theirs: &AtomicUsize| {
            mine.store(1, SeqCst);
            while theirs.load(SeqCst) == 0 {
                thread::yield_now();
            }
        };
        pool.join(|| meet(&both, &other), || meet(&other, &both));
        for _ in 0..10 {
            pool.spawn_with_handle(thread::yield_now)
                .join()
                .expect("runs");
        }
        // A job is counted when its worker has left it, which may be after it was joined.
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        let recording = pool.stop_recording();
        let stats = pool.worker_stats();
        assert_eq!(stats.len(), 2);
        let sum = |field: fn(&pool_workstealing::WorkerStats) -> u64| -> u64 {
            stats.iter().map(field).sum()
        };
        assert!(sum(|s| s.jobs) >= 11);
        assert!(sum(|s| s.steals) >= 1 && sum(|s| s.exposed) >= 1);
        assert!(sum(|s| s.failed_steals) >= 1 && sum(|s| s.wakes) >= 1);
        assert!(stats.iter().any(|s| !s.longest_job.is_zero()));
        let trace = recording.to_chrome_trace();
        assert!(!recording.is_empty());
        for part in ["traceEvents", "worker 0", "worker 1"] {
            assert!(trace.contains(part), "{part} in {trace}");
        }
    });
}

/// The names of the threads are those that `top -H` and htop show.
#[cfg(target_os = "linux")]
#[test]
fn the_system_knows_the_names_of_the_workers() {
    watched(30, || {
        let pool = pool(3);
        let names = pool.broadcast(|_| {
            let name = std::fs::read_to_string("/proc/thread-self/comm").expect("a name");
            name.trim().to_owned()
        });
        assert_eq!(names, ["ws-0", "ws-1", "ws-2"]);
    });
}

/// A destructor of thread-local data may use the pool: from a thread outside, and from a worker
/// that ends.
#[test]
fn a_spawn_while_a_thread_ends_is_answered() {
    struct AtEnd(Arc<ThreadPool>, mpsc::Sender<bool>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let accepted = self.0.try_spawn(|| ()).is_ok();
            self.1.send(accepted).expect("the test listens");
        }
    }
    thread_local! {
        static AT_END: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) };
    }
    watched(30, || {
        let (send, receive) = mpsc::channel();
        let used = Arc::new(pool(1));
        let put = |pool: &Arc<ThreadPool>| {
            let at_end = AtEnd(pool.clone(), send.clone());
            move || AT_END.with(|slot| *slot.borrow_mut() = Some(at_end))
        };
        thread::spawn(put(&used)).join().expect("no panic");
        assert_eq!(receive.recv(), Ok(true), "an open pool takes it");
        used.install(put(&used));
        assert!(used.shutdown(Shutdown::Drain).is_clean());
        used.wait_until_stopped();
        assert_eq!(receive.recv(), Ok(false), "a stopped one gives it back");
    });
}
