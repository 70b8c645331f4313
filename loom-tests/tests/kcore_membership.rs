//! The threads of a process: how it ends, and who is asked to leave or to stop.
#![cfg(loom)]

use kcore::{Ending, Membership, with_seed};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering, fence},
    },
    thread,
};
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

const LEAVE: u32 = 1;
const STOP: u32 = 2;

/// One thread makes another while a third asks all that it finds.
fn a_thread_is_made_while_all_are_asked(
    what: u32,
    ask: fn(&Membership),
) -> impl Fn() + Send + Sync + 'static {
    move || {
        let threads = Arc::new(Membership::new());
        threads.thread_begins(1);
        let published = Arc::new(AtomicU32::new(0));
        let work = Arc::new(AtomicU32::new(0));
        let maker = {
            let (threads, published, work) = (threads.clone(), published.clone(), work.clone());
            thread::spawn(move || {
                threads.thread_begins(2);
                published.store(1, Ordering::SeqCst);
                let asked = threads.asked();
                let own = u32::from(asked.leave) * LEAVE + u32::from(asked.stop) * STOP;
                work.fetch_or(own, Ordering::SeqCst);
            })
        };
        ask(&threads);
        // What the kernel's `SeqCst` look at a thread's process is for loom.
        fence(Ordering::SeqCst);
        if published.load(Ordering::SeqCst) == 1 {
            work.fetch_or(what, Ordering::SeqCst);
        }
        maker.join().unwrap();
        assert_eq!(work.load(Ordering::SeqCst), what, "the thread was missed");
    }
}

fn stop(threads: &Membership) {
    assert!(threads.begin_stop());
}

fn end(threads: &Membership) {
    threads.begin_end(Ending::Killed(9));
}

fn be_alone(threads: &Membership) {
    assert!(threads.begin_sole(1));
}

#[test]
fn a_new_thread_stops_with_all_others() {
    holds(15, a_thread_is_made_while_all_are_asked(STOP, stop));
}

#[test]
fn a_new_thread_leaves_with_all_others() {
    holds(15, a_thread_is_made_while_all_are_asked(LEAVE, end));
}

#[test]
fn a_new_thread_leaves_with_all_others_of_one_that_wants_to_be_alone() {
    holds(15, a_thread_is_made_while_all_are_asked(LEAVE, be_alone));
}

#[test]
fn a_new_thread_stops_with_all_others_breaks_when_what_was_asked_is_read_in_any_order() {
    with_seed("what was written first is read in any order", || {
        breaks(a_thread_is_made_while_all_are_asked(STOP, stop));
    });
}

/// One thread ends while the other waits to be alone: it waits for nothing, or is woken.
fn a_thread_ends_while_another_waits_to_be_alone() {
    let threads = Arc::new(Membership::new());
    threads.thread_begins(1);
    threads.thread_begins(2);
    let other = {
        let threads = threads.clone();
        thread::spawn(move || {
            assert!(!threads.thread_ended(2, 0), "the other one lives");
            threads.sole() == 1
        })
    };
    assert!(threads.begin_sole(1));
    let waits = threads.count() > 1;
    let wakes = other.join().unwrap();
    assert!(!waits || wakes, "it waits for ever");
}

#[test]
fn who_waits_to_be_alone_is_woken() {
    holds(10, a_thread_ends_while_another_waits_to_be_alone);
}

#[test]
fn who_waits_to_be_alone_is_woken_breaks_when_the_rest_is_counted_in_any_order() {
    with_seed("what was written first is read in any order", || {
        breaks(a_thread_ends_while_another_waits_to_be_alone)
    });
}
