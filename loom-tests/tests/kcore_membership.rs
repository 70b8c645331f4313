//! The first thread of a process ends by itself while another ends the whole process.
#![cfg(loom)]

use kcore::{Ending, Membership, with_seed};
use loom::{sync::Arc, thread};
use loom_tests::{breaks, holds};

/// Both leave; one of them is told that it was the last, and the process's end is the one that was said.
fn the_first_thread_ends_while_another_ends_the_process() {
    let threads = Arc::new(Membership::new());
    threads.thread_begins(1);
    threads.thread_begins(2);
    let second = {
        let threads = threads.clone();
        thread::spawn(move || {
            threads.begin_end(Ending::Exited(9));
            threads.thread_ended(2, -1)
        })
    };
    let first_was_last = threads.thread_ended(1, 0);
    let second_was_last = second.join().unwrap();
    assert!(first_was_last != second_was_last, "one is the last");
    assert_eq!(threads.end(), Ending::Exited(9));
}

#[test]
fn the_end_of_the_process_counts() {
    holds(2, the_first_thread_ends_while_another_ends_the_process);
}

#[test]
fn the_end_of_the_process_counts_breaks_when_the_first_thread_looks_without_the_lock() {
    with_seed("the first thread looks without the lock", || {
        breaks(the_first_thread_ends_while_another_ends_the_process)
    });
}
