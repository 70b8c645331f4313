//! `join`: the order, the panics, who has migrated.

mod watchdog;

use std::{
    panic::catch_unwind,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use rayon_core::{ThreadPoolBuilder, join, join_context};
use watchdog::within_30_s;

fn pool(threads: usize) -> rayon_core::ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads")
}

/// Programs that write as they go rely on it, on one thread.
#[test]
fn the_first_half_runs_first_where_nobody_steals() {
    fn leaves(from: u32, to: u32, seen: &Mutex<Vec<u32>>) {
        if to - from == 1 {
            return seen.lock().expect("no panic under it").push(from);
        }
        let middle = from.midpoint(to);
        join(|| leaves(from, middle, seen), || leaves(middle, to, seen));
    }
    within_30_s(|| {
        let seen = Mutex::new(Vec::new());
        pool(1).install(|| leaves(0, 1_000, &seen));
        let seen = seen.into_inner().expect("no panic under it");
        assert!(seen.into_iter().eq(0..1_000));
    });
}

#[test]
fn both_halves_are_called_and_the_first_ones_panic_goes_on() {
    within_30_s(|| {
        for threads in [1, 2] {
            let pool = pool(threads);
            let text = |a: bool, b: bool| {
                let called = AtomicUsize::new(0);
                let half = |fails: bool, name: &'static str| {
                    called.fetch_add(1, Relaxed);
                    assert!(!fails, "{name}");
                };
                let caught = catch_unwind(std::panic::AssertUnwindSafe(|| {
                    pool.join(|| half(a, "first"), || half(b, "second"));
                }));
                assert_eq!(called.into_inner(), 2);
                caught.map_err(|payload| payload.downcast_ref::<String>().cloned())
            };
            assert_eq!(text(false, false), Ok(()));
            assert_eq!(text(true, false), Err(Some("first".into())));
            assert_eq!(text(false, true), Err(Some("second".into())));
            assert_eq!(text(true, true), Err(Some("first".into())));
        }
    });
}

#[test]
fn a_half_that_was_stolen_has_migrated() {
    within_30_s(|| {
        let both = Barrier::new(2);
        let migrated = pool(2).install(|| {
            join_context(
                |a| {
                    both.wait();
                    a.migrated()
                },
                |b| {
                    both.wait();
                    b.migrated()
                },
            )
        });
        assert_eq!(migrated, (false, true));
        // From outside, both have come to a worker.
        assert_eq!(
            join_context(|a| a.migrated(), |b| b.migrated()),
            (true, true)
        );
        let alone = pool(1).install(|| join_context(|a| a.migrated(), |b| b.migrated()));
        assert_eq!(alone, (false, false));
    });
}
