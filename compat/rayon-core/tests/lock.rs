//! A lock that is held across a nested parallel loop: a waiting worker must not take it again.
//!
//! On the original crate this program can hang, because a worker that waits for the inner loop may
//! take up another turn of the outer one.

mod watchdog;

use std::sync::Mutex;

use rayon::prelude::*;
use watchdog::within_30_s;

#[test]
fn a_lock_held_across_a_nested_loop_is_no_deadlock() {
    within_30_s(|| {
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            for _ in 0..30 {
                let total = Mutex::new(0_u64);
                pool.install(|| {
                    (0..64_u64).into_par_iter().for_each(|turn| {
                        let mut total = total.lock().expect("no panic under the lock");
                        *total += (0..200_u64).into_par_iter().map(|n| n ^ turn).sum::<u64>();
                    });
                });
                let expected: u64 = (0..64)
                    .map(|turn| (0..200).map(|n| n ^ turn).sum::<u64>())
                    .sum();
                assert_eq!(
                    total.into_inner().expect("no panic under the lock"),
                    expected
                );
            }
        }
    });
}

#[test]
fn the_same_with_scopes() {
    within_30_s(|| {
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            for _ in 0..30 {
                let total = Mutex::new(0_usize);
                let total = &total;
                pool.scope(|outer| {
                    for _ in 0..32 {
                        outer.spawn(move |_| {
                            let mut total = total.lock().expect("no panic under the lock");
                            let inner = Mutex::new(0);
                            rayon::scope(|s| {
                                for _ in 0..8 {
                                    s.spawn(|_| *inner.lock().expect("no panic here") += 1);
                                }
                            });
                            *total += inner.into_inner().expect("no panic here");
                        });
                    }
                });
                assert_eq!(*total.lock().expect("no panic under the lock"), 32 * 8);
            }
        }
    });
}
