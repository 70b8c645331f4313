//! mini-executor's tasks hold one share of their runtime together: it is given back once, after
//! the last worker has left and the last task has ended, and whoever of the two is later does it.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::{
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
    thread,
};
use loom_tests::{breaks, holds};
use mini_executor::model::TasksShare;

struct Runtime {
    share: TasksShare,
    left: AtomicBool,
    ended: AtomicBool,
    freed: AtomicUsize,
}

impl Runtime {
    fn settle(&self) {
        let over = || self.left.load(Acquire) && self.ended.load(Acquire);
        if self.share.give_back(over) {
            assert!(over(), "given back while it is needed");
            self.freed.fetch_add(1, Relaxed);
        }
    }
}

/// The last worker leaves while the last task ends on a thread from outside.
fn the_last_two() {
    let runtime = Arc::new(Runtime {
        share: TasksShare::new(),
        left: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        freed: AtomicUsize::new(0),
    });
    assert!(runtime.share.take());
    let task = {
        let runtime = runtime.clone();
        thread::spawn(move || {
            runtime.ended.store(true, Release);
            runtime.settle();
        })
    };
    runtime.left.store(true, Release);
    runtime.settle();
    task.join().unwrap();
    assert_eq!(runtime.freed.load(Relaxed), 1, "freed once");
}

#[test]
fn the_share_is_given_back_once() {
    holds(5, the_last_two);
}

#[test]
fn the_share_is_given_back_once_breaks_without_the_fence() {
    with_seed("home: who gives back does not fence", || {
        breaks(the_last_two);
    });
}

#[test]
fn the_share_is_given_back_once_breaks_with_a_look_and_a_write() {
    with_seed("home: who gives back looks, then writes", || {
        breaks(the_last_two);
    });
}
