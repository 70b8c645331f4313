//! Scopes: nesting, borrowing, panics, other pools.

mod watchdog;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rayon_core::{ThreadPoolBuilder, in_place_scope, scope, scope_fifo};
use watchdog::within_30_s;

#[test]
fn scopes_nest() {
    within_30_s(|| {
        for threads in [1, 2, 8] {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            let count = AtomicUsize::new(0);
            pool.scope(|outer| {
                for _ in 0..10 {
                    outer.spawn(|outer| {
                        scope(|inner| {
                            for _ in 0..10 {
                                inner.spawn(|_| {
                                    count.fetch_add(1, Relaxed);
                                });
                            }
                        });
                        outer.spawn(|_| {
                            count.fetch_add(100, Relaxed);
                        });
                    });
                }
            });
            assert_eq!(count.into_inner(), 10 * 10 + 10 * 100, "{threads} threads");
        }
    });
}

#[test]
fn a_scope_can_spawn_from_another_pools_thread() {
    within_30_s(|| {
        let build = || {
            ThreadPoolBuilder::new()
                .num_threads(1)
                .build()
                .expect("a thread")
        };
        let (here, there) = (build(), build());
        let count = AtomicUsize::new(0);
        here.scope(|s| {
            there.install(|| {
                s.spawn(|_| {
                    count.fetch_add(1, Relaxed);
                });
            });
            there.scope_fifo(|t| {
                t.spawn_fifo(|_| {
                    s.spawn(|_| {
                        count.fetch_add(10, Relaxed);
                    });
                });
            });
        });
        assert_eq!(count.into_inner(), 11);
    });
}

#[test]
fn the_first_panic_goes_on_after_all_have_ended() {
    within_30_s(|| {
        for threads in [1, 4] {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            let ended = AtomicUsize::new(0);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.scope(|s| {
                    s.spawn_broadcast(|_, context| assert_ne!(context.index(), 0, "nobody is 0"));
                    for _ in 0..20 {
                        s.spawn(|_| {
                            ended.fetch_add(1, Relaxed);
                        });
                    }
                });
            }));
            assert!(caught.is_err());
            assert_eq!(ended.into_inner(), 20);
        }
    });
}

#[test]
fn orders_are_those_of_the_queue() {
    within_30_s(|| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a thread");
        let order = |fifo: bool| {
            let seen = std::sync::Mutex::new(Vec::new());
            let note = |n| seen.lock().expect("no panic under the lock").push(n);
            let note = &note;
            pool.install(|| {
                if fifo {
                    scope_fifo(|s| (0..5).for_each(|n| s.spawn_fifo(move |_| note(n))));
                } else {
                    scope(|s| (0..5).for_each(|n| s.spawn(move |_| note(n))));
                }
            });
            seen.into_inner().expect("no panic under the lock")
        };
        assert_eq!(order(true), [0, 1, 2, 3, 4]);
        assert_eq!(order(false), [4, 3, 2, 1, 0]);
    });
}

#[test]
fn an_in_place_scope_stays_on_its_thread() {
    within_30_s(|| {
        let me = std::thread::current().id();
        let count = AtomicUsize::new(0);
        in_place_scope(|s| {
            assert_eq!(std::thread::current().id(), me);
            s.spawn(|_| {
                assert_ne!(std::thread::current().id(), me);
                count.fetch_add(1, Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 1);
    });
}
