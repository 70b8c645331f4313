//! Waiting inside a job: what could never end is refused at once, the rest goes on.

mod watchdog;

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use exec_core::{Executor, Handle, JoinError, JoinHandle, Nested};
use pool_basic::ThreadPool;
use watchdog::watched;

fn pool(threads: usize) -> Handle<ThreadPool> {
    Handle::new(ThreadPool::new(threads).expect("few threads"))
}

#[test]
fn a_pool_of_one_thread_refuses_at_once() {
    watched(|| {
        let pool = pool(1);
        assert_eq!(pool.caps().nested, Nested::Refuses);
        let inner = pool.clone();
        let outer = pool.spawn(move || {
            let begin = Instant::now();
            let error = inner.spawn(|| 5).join().expect_err("nobody could run it");
            (error, begin.elapsed())
        });
        let (error, took) = outer.join().expect("returns");
        assert!(matches!(error, JoinError::WouldDeadlock));
        assert!(error.to_string().contains("more threads"), "{error}");
        assert!(took < Duration::from_secs(5), "at once, not {took:?}");
    });
}

#[test]
fn a_job_that_has_ended_can_always_be_joined() {
    watched(|| {
        let pool = pool(1);
        let ended = pool.spawn(|| 5);
        while !ended.is_finished() {
            std::thread::yield_now();
        }
        let nested = pool.spawn(move || ended.join());
        assert_eq!(nested.join().expect("returns").expect("has ended"), 5);
    });
}

#[test]
fn a_second_worker_makes_it_possible() {
    watched(|| {
        let pool = pool(2);
        for _ in 0..200 {
            let inner = pool.clone();
            let outer = pool.spawn(move || inner.spawn(|| 5).join());
            assert_eq!(outer.join().expect("returns").expect("runs beside"), 5);
        }
    });
}

#[test]
fn the_last_worker_is_refused_and_frees_the_others() {
    watched(|| {
        let pool = pool(2);
        // Both workers are inside of a job before either waits.
        let both = Arc::new(std::sync::Barrier::new(2));
        let jobs: Vec<JoinHandle<Result<u32, JoinError>>> = (0..2)
            .map(|_| {
                let (inner, both) = (pool.clone(), both.clone());
                pool.spawn(move || {
                    both.wait();
                    inner.spawn(|| 5).join()
                })
            })
            .collect();
        let refused = jobs
            .into_iter()
            .map(|job| job.join().expect("returns"))
            .filter(|result| match result {
                Ok(five) => {
                    assert_eq!(*five, 5);
                    false
                }
                Err(error) => {
                    assert!(matches!(error, JoinError::WouldDeadlock));
                    true
                }
            })
            .count();
        // The first blocks, the second is the last and is refused; or the first had ended before.
        assert!(refused <= 1, "only the last one is refused");
    });
}

#[test]
fn jobs_that_join_each_other_do_not_hang_two_workers() {
    watched(|| {
        let pool = pool(2);
        let mut handles = Vec::new();
        let (tell, told) = mpsc::channel();
        let mut ways = Vec::new();
        for _ in 0..2 {
            let (way, other) = mpsc::channel::<JoinHandle<()>>();
            ways.push(way);
            let tell = tell.clone();
            handles.push(pool.spawn(move || {
                let other = other.recv().expect("the spawner sends it");
                let _ = tell.send(other.join().is_ok());
            }));
        }
        for (way, handle) in ways.iter().zip(handles.into_iter().rev()) {
            way.send(handle).expect("the job waits for it");
        }
        let ends = [told.recv().expect("one"), told.recv().expect("two")];
        // One is refused, ends by that, and so lets the other one end well.
        assert!(ends.contains(&false) && ends.contains(&true), "{ends:?}");
    });
}

#[test]
fn self_join_is_refused_with_any_number_of_workers() {
    watched(|| {
        for threads in [1, 4] {
            let pool = pool(threads);
            let (send, receive) = mpsc::channel::<JoinHandle<()>>();
            let (tell, told) = mpsc::channel();
            let ground = pool.clone();
            let job = pool.spawn(move || {
                let own = receive.recv().expect("the spawner sends it");
                let later = ground
                    .ground()
                    .now()
                    .saturating_add(Duration::from_secs(60));
                let own = own.join_until(later).expect_err("would not end");
                let _ = tell.send(matches!(own.join(), Err(JoinError::WouldDeadlock)));
            });
            send.send(job).expect("the job waits for it");
            assert_eq!(told.recv(), Ok(true));
        }
    });
}

#[test]
fn another_pools_jobs_can_be_joined() {
    watched(|| {
        let (one, other) = (pool(1), pool(1));
        let job = one.spawn(move || other.spawn(|| 5).join());
        assert_eq!(job.join().expect("returns").expect("not this pool"), 5);
    });
}

#[test]
fn a_wait_with_a_deadline_ends_by_it() {
    watched(|| {
        let pool = pool(1);
        let inner = pool.clone();
        let outer = pool.spawn(move || {
            let queued = inner.spawn(|| 5);
            let soon = inner
                .ground()
                .now()
                .saturating_add(Duration::from_millis(5));
            queued.join_until(soon).expect_err("this worker is in here")
        });
        let queued = outer.join().expect("returns");
        assert_eq!(queued.join().expect("runs after that"), 5);
    });
}

#[test]
fn scopes_and_forks_end_on_one_worker() {
    watched(|| {
        let pool = pool(1);
        let inner = pool.clone();
        let outer = pool.spawn(move || {
            let mut numbers = [1, 2, 3, 4];
            inner.scope(|s| {
                for n in &mut numbers {
                    s.spawn(move || *n *= 2);
                }
            });
            let (a, b) = inner.join(|| numbers[0] + numbers[1], || numbers[2] + numbers[3]);
            a + b
        });
        assert_eq!(outer.join().expect("returns"), 20);
    });
}

#[test]
fn a_helper_is_woken_by_the_job_it_waits_for() {
    watched(|| {
        // Two workers: one runs the scope's job and holds it, the other is the last one and
        // helps; with nothing to help with it sleeps, and the held job's end has to wake it.
        let pool = pool(2);
        let (go, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let inner = pool.clone();
        let outer = pool.spawn(move || {
            inner.scope(|s| {
                s.spawn(move || {
                    let _ = begun.send(());
                    let _ = wait.recv();
                });
            });
            5
        });
        has_begun.recv().expect("the other worker runs it");
        drop(go);
        assert_eq!(outer.join().expect("returns"), 5);
    });
}

#[test]
fn block_on_in_a_job_runs_what_it_waits_for() {
    watched(|| {
        for threads in [1, 2] {
            let pool = pool(threads);
            let inner = pool.clone();
            let outer = pool.spawn(move || {
                let spawner = inner.clone();
                inner.block_on(async move {
                    let mut sum = 0;
                    for n in 0..20 {
                        sum += spawner.spawn(move || n).await.expect("returns");
                    }
                    sum
                })
            });
            assert_eq!(outer.join().expect("returns"), 190);
        }
    });
}

#[test]
fn deep_forks_on_few_workers_end() {
    fn fib(pool: &Handle<ThreadPool>, n: u32) -> u32 {
        if n < 2 {
            return n;
        }
        let (a, b) = pool.join(|| fib(pool, n - 1), || fib(pool, n - 2));
        a + b
    }
    watched(|| {
        for threads in [1, 2, 3] {
            let pool = pool(threads);
            let inner = pool.clone();
            let job = pool.spawn(move || fib(&inner, 15));
            assert_eq!(job.join().expect("returns"), 610);
            assert_eq!(fib(&pool, 15), 610);
        }
    });
}

#[test]
fn wait_idle_on_a_worker_says_why_not() {
    watched(|| {
        let pool = Arc::new(ThreadPool::new(1).expect("one thread"));
        let inner = pool.clone();
        let error = pool.spawn(move || inner.wait_idle()).join();
        let payload = error.expect_err("it panics").try_into_panic();
        let payload = payload.expect("it panics");
        let text = exec_core::unwind::message(&payload).expect("a text");
        assert!(text.contains("would wait for itself"), "{text}");
    });
}

#[test]
fn caps_are_told_without_a_handle() {
    let pool = ThreadPool::new(3).expect("three threads");
    let caps = Executor::caps(&pool);
    assert_eq!((caps.model, caps.workers), ("pool-basic", 3));
    assert!(!caps.preemptive && caps.parallel_join);
}
