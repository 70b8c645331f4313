//! Panics in joins, scopes, detached jobs and handlers.

mod watchdog;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use pool_workstealing::{ThreadPool, ThreadPoolBuilder};
use watchdog::watched;

fn payload_of<R>(f: impl FnOnce() -> R) -> &'static str {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    payload.downcast_ref::<&'static str>().expect("a text")
}

/// A join that begins with its first half.
fn join_in_order<A: Send, B: Send>(
    pool: &ThreadPool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    pool.install(|| pool_workstealing::join_context(|_| a(), |_| b()))
}

/// The stolen half still uses the frame when the first half panics: the join waits for it.
#[test]
fn a_panic_in_the_first_half_waits_for_the_stolen_one() {
    watched(30, || {
        let pool = ThreadPool::new(2).expect("a pool");
        for _ in 0..200 {
            let (started, ended) = (AtomicBool::new(false), AtomicBool::new(false));
            let text = payload_of(|| {
                join_in_order(
                    &pool,
                    || {
                        while !started.load(SeqCst) {
                            std::thread::yield_now();
                        }
                        panic_any("first");
                    },
                    || {
                        started.store(true, SeqCst);
                        for _ in 0..50 {
                            std::thread::yield_now();
                        }
                        ended.store(true, SeqCst);
                    },
                )
            });
            assert_eq!(text, "first");
            assert!(ended.load(SeqCst), "the frame was left while it was used");
        }
    });
}

#[test]
fn a_panic_in_the_second_half_comes_after_the_first_has_ended() {
    watched(30, || {
        for threads in [1, 2, 4] {
            let pool = ThreadPool::new(threads).expect("a pool");
            let ended = AtomicBool::new(false);
            let text = payload_of(|| {
                join_in_order(&pool, || ended.store(true, SeqCst), || panic_any("second"));
            });
            assert_eq!(text, "second");
            assert!(ended.load(SeqCst));
            assert_eq!(pool.join(|| 1, || 2), (1, 2), "the pool is usable");
        }
    });
}

#[test]
fn of_two_panics_in_a_scope_the_first_goes_on() {
    watched(30, || {
        let pool = ThreadPool::new(1).expect("a pool");
        let ran = AtomicUsize::new(0);
        let text = payload_of(|| {
            pool.scope_fifo(|s| {
                for text in ["first", "later"] {
                    let ran = &ran;
                    s.spawn_fifo(move |_| {
                        ran.fetch_add(1, SeqCst);
                        panic_any(text);
                    });
                }
                s.spawn_fifo(|_| {
                    ran.fetch_add(1, SeqCst);
                });
            });
        });
        assert_eq!(text, "first");
        assert_eq!(ran.load(SeqCst), 3, "all jobs end before the panic goes on");
    });
}

#[test]
fn a_panic_in_the_scope_body_waits_for_its_jobs() {
    watched(30, || {
        let pool = ThreadPool::new(2).expect("a pool");
        let ran = AtomicUsize::new(0);
        let text = payload_of(|| {
            pool.scope(|s| {
                for _ in 0..100 {
                    s.spawn(|_| {
                        ran.fetch_add(1, SeqCst);
                    });
                }
                panic_any("body");
            });
        });
        assert_eq!(text, "body");
        assert_eq!(ran.load(SeqCst), 100);
    });
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic_any("grenade");
    }
}

#[test]
fn the_panic_handler_hears_of_each_unjoined_panic_once() {
    watched(30, || {
        let heard = Arc::new(AtomicUsize::new(0));
        let handler = heard.clone();
        let pool = ThreadPoolBuilder::new()
            .num_threads(2)
            .panic_handler(move |_| {
                handler.fetch_add(1, SeqCst);
                panic_any("in the handler, too");
            })
            .build()
            .expect("a pool");
        pool.spawn(|| panic_any("job"));
        let grenade = Grenade;
        pool.spawn(move || drop(grenade));
        pool.spawn_broadcast(|context| {
            if context.index() == 0 {
                panic_any("broadcast");
            }
        });
        drop(pool.spawn_with_handle(|| panic_any("detached")));
        let report = pool.shutdown(exec_core::Shutdown::Drain);
        assert!(report.is_clean(), "{report}");
        assert_eq!(heard.load(SeqCst), 4);
        assert_eq!(pool.stats().panicked, 4);
    });
}

#[test]
fn a_panic_in_a_broadcast_reaches_the_caller() {
    watched(30, || {
        let pool = ThreadPool::new(3).expect("a pool");
        let text = payload_of(|| {
            pool.broadcast(|context| {
                if context.index() == 1 {
                    panic_any("one");
                }
            })
        });
        assert_eq!(text, "one");
        assert_eq!(pool.broadcast(|context| context.index()), [0, 1, 2]);
    });
}

#[test]
fn panicking_start_and_exit_handlers_leave_the_pool_usable() {
    watched(30, || {
        let pool = ThreadPoolBuilder::new()
            .num_threads(2)
            .start_handler(|_| panic_any("start"))
            .exit_handler(|_| panic_any("exit"))
            .build()
            .expect("a pool");
        assert_eq!(pool.install(|| 5), 5);
        drop(pool);
    });
}
