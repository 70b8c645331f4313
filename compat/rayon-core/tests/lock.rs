//! A lock that is held across a nested parallel loop: a waiting worker must not take it again.
//!
//! Where a worker that waits for the inner loop may take up another turn of the outer one, as on
//! the original crate and under `WaitPolicy::Any`, the loop hangs at 8 threads in most runs.

mod watchdog;

use std::sync::Mutex;

use rayon::prelude::*;
use watchdog::within_30_s;

const ROUNDS: usize = 50;
const TURNS: u64 = 16;
const STEPS: u64 = 64;

/// Long enough to be worth a steal.
fn work(n: u64) -> u64 {
    (0..2_000).fold(n, |sum, step| std::hint::black_box(sum ^ step))
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads")
}

/// What each round has to come to.
fn expected() -> u64 {
    let turn = |turn| (0..STEPS).map(move |step| work(step ^ turn)).sum::<u64>();
    (0..TURNS).map(turn).sum()
}

fn loop_under_a_lock(threads: usize) {
    within_30_s(move || {
        let (pool, expected) = (pool(threads), expected());
        for _ in 0..ROUNDS {
            let total = Mutex::new(0);
            pool.install(|| {
                (0..TURNS).into_par_iter().for_each(|turn| {
                    let mut total = total.lock().expect("no panic under the lock");
                    let steps = (0..STEPS).into_par_iter();
                    *total += steps.map(|step| work(step ^ turn)).sum::<u64>();
                });
            });
            assert_eq!(total.into_inner().expect("no panic under it"), expected);
        }
    });
}

fn scope_under_a_lock(threads: usize) {
    within_30_s(move || {
        let (pool, expected) = (pool(threads), expected());
        for _ in 0..ROUNDS {
            let total = Mutex::new(0);
            let total = &total;
            pool.scope(|outer| {
                for turn in 0..TURNS {
                    outer.spawn(move |_| {
                        let mut total = total.lock().expect("no panic under the lock");
                        let sum = Mutex::new(0);
                        let sum = &sum;
                        rayon::scope(|inner| {
                            for step in 0..STEPS {
                                inner.spawn(move |_| {
                                    let part = work(step ^ turn);
                                    *sum.lock().expect("no panic under it") += part;
                                });
                            }
                        });
                        *total += *sum.lock().expect("no panic under it");
                    });
                }
            });
            assert_eq!(*total.lock().expect("no panic under it"), expected);
        }
    });
}

#[test]
fn a_loop_under_a_lock_ends_on_1_thread() {
    loop_under_a_lock(1);
}

#[test]
fn a_loop_under_a_lock_ends_on_2_threads() {
    loop_under_a_lock(2);
}

#[test]
fn a_loop_under_a_lock_ends_on_8_threads() {
    loop_under_a_lock(8);
}

#[test]
fn a_scope_under_a_lock_ends_on_1_thread() {
    scope_under_a_lock(1);
}

#[test]
fn a_scope_under_a_lock_ends_on_2_threads() {
    scope_under_a_lock(2);
}

#[test]
fn a_scope_under_a_lock_ends_on_8_threads() {
    scope_under_a_lock(8);
}
