//! Jobs that a worker spawns beyond what its deque holds.

mod watchdog;

use std::sync::{
    Arc, Mutex,
    atomic::{
        AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    mpsc,
};

use exec_core::{Reason, Shutdown};
use pool_workstealing::{ThreadPool, ThreadPoolBuilder, Worker, yield_local};
use watchdog::watched;

/// Several times what a deque holds, and many blocks of the line behind it.
const MANY: usize = 20_000;

fn pool(threads: usize) -> ThreadPool {
    ThreadPool::new(threads).expect("a pool")
}

/// What has run how often.
struct Seen(Vec<AtomicUsize>);

impl Seen {
    fn new(jobs: usize) -> Arc<Self> {
        Arc::new(Self((0..jobs).map(|_| AtomicUsize::new(0)).collect()))
    }

    fn job(self: &Arc<Self>, n: usize) -> impl FnOnce() + Send + 'static {
        let seen = self.clone();
        move || {
            seen.0[n].fetch_add(1, Relaxed);
        }
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|n| n.load(SeqCst) == 1).count()
    }
}

#[test]
fn each_runs_once_however_many_workers_there_are() {
    watched(60, || {
        for threads in [1, 2, 4] {
            let pool = pool(threads);
            let seen = Seen::new(MANY);
            // Two rounds: the second one uses what the first has left behind again.
            for half in [0..MANY / 2, MANY / 2..MANY] {
                let jobs = seen.clone();
                pool.install(|| {
                    for n in half {
                        pool.spawn(jobs.job(n));
                    }
                });
            }
            assert!(pool.shutdown(Shutdown::Drain).is_clean());
            assert_eq!(seen.count(), MANY, "{threads} workers");
            let stats = pool.stats();
            assert!(stats.ran >= MANY as u64 && stats.scheduled >= MANY as u64);
        }
    });
}

#[test]
fn others_take_them_while_their_worker_is_busy() {
    watched(30, || {
        let pool = pool(2);
        let (send, receive) = mpsc::channel();
        let spawner = &pool;
        pool.install(move || {
            for n in 0..MANY {
                let send = send.clone();
                spawner.spawn(move || send.send(n).expect("the job listens"));
            }
            // This worker does nothing else until all of them have run.
            let mut ran: Vec<usize> = receive.iter().take(MANY).collect();
            ran.sort_unstable();
            assert!(ran.into_iter().eq(0..MANY));
        });
    });
}

#[test]
fn a_lone_worker_runs_those_beyond_oldest_first() {
    watched(30, || {
        let pool = pool(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        pool.install(|| {
            for n in 0..1_000 {
                let order = order.clone();
                pool.spawn(move || order.lock().expect("no panic").push(n));
            }
        });
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        let order = order.lock().expect("no panic").clone();
        // The deque took the first ones.
        let beyond: Vec<usize> = order.iter().copied().filter(|&n| n >= 256).collect();
        assert!(beyond.iter().copied().eq(256..1_000), "{beyond:?}");
    });
}

#[test]
fn work_from_outside_comes_between_them() {
    watched(30, || {
        let pool = Arc::new(pool(1));
        // Keeps its worker in work, its deque and the line behind it, until the outside was heard.
        fn feed(pool: &Arc<ThreadPool>, heard: &Arc<AtomicUsize>, jobs: usize) {
            if heard.load(SeqCst) == 0 {
                for _ in 0..jobs {
                    let (pool, heard) = (pool.clone(), heard.clone());
                    pool.clone().spawn(move || feed(&pool, &heard, 1));
                }
            }
        }
        let heard = Arc::new(AtomicUsize::new(0));
        let (far, near) = (pool.clone(), heard.clone());
        pool.spawn(move || feed(&far, &near, 1_000));
        let from_outside = heard.clone();
        pool.spawn(move || {
            from_outside.store(1, SeqCst);
        });
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        assert_eq!(heard.load(SeqCst), 1);
    });
}

#[test]
fn a_worker_that_leaves_passes_them_on() {
    watched(60, || {
        for _ in 0..20 {
            let pool = pool(3);
            let seen = Seen::new(1_000);
            let (send, filled) = mpsc::channel();
            // Each worker fills its own line, whichever of them leaves then.
            for worker in 0..3 {
                let (jobs, send) = (seen.clone(), send.clone());
                pool.spawn(move || {
                    for n in (0..1_000).filter(|n| n % 3 == worker) {
                        pool_workstealing::spawn(jobs.job(n));
                    }
                    send.send(()).expect("the test listens");
                });
            }
            assert_eq!(filled.iter().take(3).count(), 3);
            pool.resize(1).expect("fewer workers");
            assert!(pool.shutdown(Shutdown::Drain).is_clean());
            assert_eq!(seen.count(), 1_000);
        }
    });
}

#[test]
fn a_stop_drops_and_counts_them() {
    watched(30, || {
        let pool = pool(1);
        let seen = Seen::new(1_000);
        let (send, filled) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let jobs = seen.clone();
        pool.spawn(move || {
            for n in 0..1_000 {
                pool_workstealing::spawn(jobs.job(n));
            }
            send.send(()).expect("the test listens");
            held.recv().expect("the test lets go");
        });
        filled.recv().expect("the job has filled its queues");
        let report = pool.shutdown(Shutdown::Now);
        release.send(()).expect("the job waits");
        assert_eq!(report.cancelled, 1_000);
        pool.wait_until_stopped();
        assert_eq!(seen.count(), 0);
        assert_eq!(Arc::strong_count(&seen), 1, "the jobs are gone");
    });
}

#[test]
fn a_bound_holds_for_them() {
    watched(30, || {
        let builder = ThreadPoolBuilder::new().num_threads(1).queue_bound(10);
        let pool = builder.build().expect("a pool");
        let seen = Seen::new(1_000);
        let refused = pool.install(|| {
            let tries = (0..1_000).map(|n| pool.try_spawn(seen.job(n)));
            let refused = tries.filter_map(Result::err);
            refused.filter(|no| no.reason == Reason::Full).count()
        });
        assert!(pool.shutdown(Shutdown::Drain).is_clean());
        assert_eq!(refused, 1_000 - 256 - 10);
        assert_eq!(seen.count(), 266);
    });
}

#[test]
fn a_worker_yields_to_them() {
    watched(30, || {
        let pool = pool(1);
        let seen = Seen::new(1_000);
        pool.install(|| {
            for n in 0..1_000 {
                pool.spawn(seen.job(n));
            }
            let pending = |worker: Option<&Worker>| worker.is_some_and(Worker::has_pending);
            while Worker::with_current(pending) {
                assert_eq!(yield_local(), Some(pool_workstealing::Yield::Executed));
            }
            assert_eq!(seen.count(), 1_000);
        });
    });
}
