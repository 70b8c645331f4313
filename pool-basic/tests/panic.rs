//! Panics of jobs, of what they hold, and of what handles them: told once, and the workers live.

mod watchdog;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
    mpsc,
};

use exec_core::JoinError;
use pool_basic::{Builder, Queue, ThreadPool};
use watchdog::watched;

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// One worker, whose pool counts the panics that nobody joins.
fn counting(builder: Builder) -> (ThreadPool, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let pool = builder
        .threads(1)
        .panic_handler(move |_| {
            count.fetch_add(1, SeqCst);
        })
        .build()
        .expect("one thread");
    (pool, told)
}

fn message(error: JoinError) -> String {
    let payload = error.try_into_panic().expect("it is a panic");
    exec_core::unwind::message(&payload)
        .expect("a text")
        .to_owned()
}

#[test]
fn the_joiner_gets_the_payload_and_the_worker_lives() {
    watched(|| {
        for queue in [Queue::Locked, Queue::Mpsc, Queue::Crossbeam] {
            let (pool, told) = counting(ThreadPool::builder().queue(queue));
            let thread = pool.spawn(|| std::thread::current().id());
            let thread = thread.join().expect("returns");
            let job = pool.spawn::<_, ()>(|| panic!("as planned"));
            let error = job.join().expect_err("panics");
            assert_eq!(message(error), "as planned");
            let next = pool.spawn(|| std::thread::current().id());
            assert_eq!(next.join().expect("the worker lives"), thread);
            assert_eq!(told.load(SeqCst), 0, "the joiner was told, nobody else");
        }
    });
}

#[test]
fn the_handler_is_told_once_when_nobody_joins() {
    watched(|| {
        let (pool, told) = counting(ThreadPool::builder());
        pool.execute(|| panic!("nobody joins")).expect("accepted");
        let (go, wait) = mpsc::channel::<()>();
        // Detached before it runs.
        pool.execute(move || {
            let _ = wait.recv();
        })
        .expect("accepted");
        pool.spawn(|| panic!("nor this one")).detach();
        drop(go);
        pool.wait_idle();
        assert_eq!(told.load(SeqCst), 2);
        assert_eq!(pool.stats().panicked, 2);
    });
}

#[test]
fn a_handler_that_panics_is_contained() {
    watched(|| {
        let pool = ThreadPool::builder()
            .threads(1)
            .panic_handler(|_| panic!("the handler's own"))
            .build()
            .expect("one thread");
        pool.execute(|| panic!("the job's")).expect("accepted");
        assert_eq!(pool.spawn(|| 5).join().expect("the worker lives"), 5);
    });
}

#[test]
fn drops_of_captures_that_panic_are_panics_of_the_job() {
    watched(|| {
        let (pool, told) = counting(ThreadPool::builder());
        let bomb = Bomb("captured");
        let job = pool.spawn(move || {
            let _dropped_at_the_end = bomb;
        });
        assert_eq!(message(job.join().expect_err("panics")), "captured");
        let bomb = Bomb("captured, not joined");
        pool.execute(move || drop(bomb)).expect("accepted");
        pool.wait_idle();
        assert_eq!(told.load(SeqCst), 1);
    });
}

#[test]
fn drops_of_unread_results_that_panic_are_told_to_the_handler() {
    watched(|| {
        let (pool, told) = counting(ThreadPool::builder());
        let (go, wait) = mpsc::channel::<()>();
        let job = pool.spawn(move || {
            let _ = wait.recv();
            Bomb("nobody reads it")
        });
        job.detach();
        drop(go);
        pool.wait_idle();
        assert_eq!(told.load(SeqCst), 1);
        assert_eq!(pool.spawn(|| 5).join().expect("the worker lives"), 5);
    });
}

#[test]
fn drops_of_cancelled_jobs_that_panic_stay_inside() {
    watched(|| {
        let (pool, _) = counting(ThreadPool::builder());
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        pool.execute(move || {
            let _ = tell.send(());
            let _ = wait.recv();
        })
        .expect("accepted");
        told.recv().expect("the job has begun");
        let bomb = Bomb("never run");
        pool.execute(move || drop(bomb)).expect("accepted");
        let left = pool
            .shutdown_timeout(std::time::Duration::ZERO)
            .expect_err("one waits, one is queued");
        assert_eq!((left.n, left.cancelled), (1, 1));
        drop(go);
    });
}

#[test]
fn payloads_whose_drop_panics_stay_inside() {
    watched(|| {
        // No handler: the pool itself throws the payload away.
        let pool = ThreadPool::new(1).expect("one thread");
        pool.execute(|| std::panic::panic_any(Bomb("in the payload")))
            .expect("accepted");
        let unread = pool.spawn(|| std::panic::panic_any(Bomb("in an unread result")));
        while !unread.is_finished() {
            std::thread::yield_now();
        }
        drop(unread);
        assert_eq!(pool.spawn(|| 5).join().expect("the worker lives"), 5);
        assert_eq!(pool.stats().panicked, 1);
    });
}

#[test]
fn no_lock_is_ever_seen_poisoned() {
    watched(|| {
        let (pool, _) = counting(ThreadPool::builder().queue_capacity(2));
        for _ in 0..100 {
            pool.execute(|| panic!("again")).expect("accepted");
        }
        pool.wait_idle();
        assert_eq!(pool.spawn(|| 5).join().expect("all locks work"), 5);
        assert!(pool.shutdown().is_clean());
    });
}
