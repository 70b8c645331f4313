//! Who may drop the pool, when, and what becomes of what is in it.

mod child;
mod watchdog;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
    mpsc,
};

use pool_basic::{Queue, ThreadPool};
use watchdog::watched;

/// Counts its drop.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn dropping_drains() {
    watched(|| {
        for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
            let ran = Arc::new(AtomicUsize::new(0));
            let pool = ThreadPool::builder()
                .threads(2)
                .queue(queue)
                .build()
                .expect("two threads");
            for _ in 0..1_000 {
                let ran = ran.clone();
                pool.execute(move || {
                    ran.fetch_add(1, SeqCst);
                })
                .expect("accepted");
            }
            drop(pool);
            assert_eq!(ran.load(SeqCst), 1_000);
        }
    });
}

/// The last reference goes inside of a job, while the queue behind it has jobs and the other
/// workers, if any, sleep.
fn dropped_by_a_worker(threads: usize) {
    let pool = Arc::new(ThreadPool::new(threads).expect("few threads"));
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let last = pool.clone();
    pool.execute(move || {
        let _ = wait.recv();
        assert_eq!(Arc::strong_count(&last), 1);
        drop(last);
    })
    .expect("accepted");
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let (ran, tell) = (Counted(ran.clone()), tell.clone());
        pool.execute(move || {
            drop(ran);
            let _ = tell.send(());
        })
        .expect("accepted");
    }
    drop((pool, tell));
    drop(go);
    // The channel ends when the last job has gone.
    assert_eq!(told.iter().count(), 100);
    assert_eq!(ran.load(SeqCst), 100);
}

#[test]
fn a_worker_that_drops_the_pool_does_not_join_itself() {
    watched(|| {
        dropped_by_a_worker(1);
        dropped_by_a_worker(3);
    });
}

#[test]
fn handles_may_outlive_the_pool() {
    watched(|| {
        let pool = ThreadPool::new(1).expect("one thread");
        let job = pool.spawn(|| 5);
        drop(pool);
        // Another pool, which gets the identity of the one that has gone.
        let next = ThreadPool::new(1).expect("one thread");
        let nested = next.spawn(move || job.join());
        assert_eq!(nested.join().expect("returns").expect("has run"), 5);
    });
}

#[test]
fn captures_and_results_are_dropped_once() {
    watched(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
            drops.store(0, SeqCst);
            let pool = ThreadPool::builder()
                .threads(2)
                .queue(queue)
                .build()
                .expect("two threads");
            for n in 0..300 {
                let capture = Counted(drops.clone());
                let job = pool.spawn(move || capture);
                match n % 3 {
                    0 => drop(job),
                    1 => drop(job.join().expect("returns")),
                    _ => {
                        let _ = job.cancel();
                    }
                }
            }
            drop(pool);
            assert_eq!(drops.load(SeqCst), 300);
        }
    });
}

#[test]
fn jobs_that_a_shutdown_cancels_are_dropped_once() {
    watched(|| {
        for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
            let drops = Arc::new(AtomicUsize::new(0));
            let pool = ThreadPool::builder()
                .threads(1)
                .queue(queue)
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
            for _ in 0..200 {
                let capture = Counted(drops.clone());
                pool.execute(move || drop(capture)).expect("accepted");
            }
            let left = pool.shutdown_timeout(std::time::Duration::ZERO);
            assert_eq!(left.expect_err("one runs").cancelled, 200);
            assert_eq!(drops.load(SeqCst), 200);
            drop(go);
            drop(pool);
            assert_eq!(drops.load(SeqCst), 200);
        }
    });
}

/// The end of `main` while workers run, with a pool that is never dropped.
#[test]
fn a_process_may_end_while_workers_run() {
    const NAME: &str = "a_process_may_end_while_workers_run";
    if child::is_child(NAME) {
        let pool = Box::leak(Box::new(ThreadPool::new(2).expect("two threads")));
        for _ in 0..10_000 {
            pool.execute(|| {
                std::hint::black_box(vec![0_u8; 100]);
            })
            .expect("accepted");
        }
        std::process::exit(7);
    }
    for _ in 0..10 {
        let output = child::run(NAME, ":");
        assert_eq!(output.status.code(), Some(7), "{}", child::text(&output));
    }
}
