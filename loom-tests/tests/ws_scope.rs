//! The end of a scope: its owner, with shares in stock, learns when the last job has ended.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::{cell::UnsafeCell, thread};
use loom_tests::{breaks, holds};
use pool_workstealing::model::{Shares, Stock};

/// The count, and what each of two thieves' jobs writes.
struct Scope {
    shares: Shares,
    work: [UnsafeCell<u32>; 2],
}

// SAFETY: each cell is one job's until its share is taken away, which loom checks.
unsafe impl Sync for Scope {}
// SAFETY: as for `Sync`.
unsafe impl Send for Scope {}

/// The owner spawns three jobs; it runs one itself, two thieves run the others.
fn thieves_end_jobs() {
    let scope = Arc::new(Scope {
        shares: Shares::new(),
        work: [UnsafeCell::new(0), UnsafeCell::new(0)],
    });
    let stock = Stock::new();
    let owner = thread::current();
    let thieves = [0, 1].map(|n| {
        stock.take(&scope.shares);
        let (scope, owner) = (scope.clone(), owner.clone());
        thread::spawn(move || {
            // SAFETY: this job's alone until it has ended.
            scope.work[n].with_mut(|work| unsafe { *work = 7 });
            if scope.shares.end_one() {
                owner.unpark();
            }
        })
    });
    stock.take(&scope.shares);
    stock.give_back();
    let _ = scope.shares.end_one();
    loop {
        stock.return_to(&scope.shares);
        if scope.shares.is_done() {
            break;
        }
        thread::park();
    }
    for work in &scope.work {
        // SAFETY: every job has ended.
        assert_eq!(work.with(|work| unsafe { *work }), 7);
    }
    for thief in thieves {
        thief.join().unwrap();
    }
}

#[test]
fn an_owner_learns_of_the_last_end() {
    holds(20, thieves_end_jobs);
}

#[test]
fn an_owner_that_keeps_its_stock_breaks() {
    with_seed("scope: the owner keeps its stock", || {
        breaks(thieves_end_jobs);
    });
}

#[test]
fn an_end_that_publishes_nothing_breaks() {
    with_seed("scope: an end publishes nothing", || {
        breaks(thieves_end_jobs);
    });
}
