//! rayon as published, on this crate: what its documentation shows, and what it says of threads.

mod watchdog;

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use watchdog::within_30_s;

#[test]
fn it_is_this_crate_that_rayon_uses() {
    // The two crates' types are one only if rayon was built on this package.
    fn same(pool: rayon::ThreadPool) -> rayon_core::ThreadPool {
        pool
    }
    let builder: rayon_core::ThreadPoolBuilder = rayon::ThreadPoolBuilder::new().num_threads(3);
    let pool = same(builder.build().expect("three threads"));
    assert_eq!(pool.current_num_threads(), 3);
    assert_eq!(rayon::max_num_threads(), rayon_core::max_num_threads());
}

#[test]
fn sums_maps_and_collects() {
    within_30_s(|| {
        let numbers: Vec<u64> = (0..100_000).collect();
        let sum: u64 = numbers.par_iter().map(|n| n * n).sum();
        assert_eq!(sum, numbers.iter().map(|n| n * n).sum());
        let doubled: Vec<u64> = numbers.par_iter().map(|n| 2 * n).collect();
        assert!(doubled.iter().copied().eq((0..100_000).map(|n| 2 * n)));
        let even: HashSet<u64> = numbers.par_iter().copied().filter(|n| n % 2 == 0).collect();
        assert_eq!(even.len(), 50_000);
        let first = numbers.par_iter().position_first(|&n| n > 700);
        assert_eq!(first, Some(701));
    });
}

#[test]
fn sorts() {
    within_30_s(|| {
        let mut numbers: Vec<u32> = (0..200_000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761))
            .collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        let mut stable = numbers.clone();
        numbers.par_sort_unstable();
        assert_eq!(numbers, sorted);
        stable.par_sort_by_key(|n| n % 10);
        assert!(stable.is_sorted_by_key(|n| n % 10));
    });
}

#[test]
fn folds_strings_and_bridges() {
    within_30_s(|| {
        let words = "the quick brown fox jumps over the lazy dog ".repeat(500);
        let counts = words
            .par_split_whitespace()
            .fold(HashMap::<&str, usize>::new, |mut counts, word| {
                *counts.entry(word).or_default() += 1;
                counts
            })
            .reduce(HashMap::new, |mut all, counts| {
                for (word, count) in counts {
                    *all.entry(word).or_default() += count;
                }
                all
            });
        assert_eq!(counts["the"], 1_000);
        assert_eq!(counts.len(), 8);
        let bridged: u64 = (0..10_000_u64).par_bridge().sum();
        assert_eq!(bridged, 49_995_000);
    });
}

#[test]
fn a_panic_in_an_iterator_reaches_the_caller() {
    within_30_s(|| {
        let caught = std::panic::catch_unwind(|| {
            (0..10_000).into_par_iter().for_each(|n| {
                assert!(n != 7_777, "no sevens");
            });
        });
        let payload = caught.expect_err("one of the closures panics");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"no sevens"));
        // The pool is as good as before.
        assert_eq!((0..100).into_par_iter().sum::<i32>(), 4_950);
    });
}

#[test]
fn iterators_run_in_the_pool_they_are_installed_in() {
    within_30_s(|| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .thread_name(|index| format!("mine-{index}"))
            .build()
            .expect("two threads");
        let names: HashSet<String> = pool.install(|| {
            (0..1_000)
                .into_par_iter()
                .map(|_| std::thread::current().name().unwrap_or_default().to_owned())
                .collect()
        });
        let mine = HashSet::from(["mine-0".to_owned(), "mine-1".to_owned()]);
        assert!(!names.is_empty() && names.is_subset(&mine), "{names:?}");
    });
}
