//! Signals between their sender and the threads that may take them.
#![cfg(loom)]

use kcore::{Signal, SignalCell, SignalSet, with_seed};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use loom_tests::{breaks, holds};

/// Each of two signals goes to one of the two, whoever takes which.
fn two_threads_take_what_is_pending() {
    let pending = Arc::new(SignalCell::default());
    pending.add(SignalSet::only(Signal::CHLD));
    let taken = |pending: &SignalCell| pending.take_first(SignalSet::EMPTY).map_or(0, bits);
    let other = {
        let pending = pending.clone();
        thread::spawn(move || [taken(&pending), taken(&pending)])
    };
    pending.add(SignalSet::only(Signal::FPE));
    let own = [taken(&pending), taken(&pending)];
    let all = [own, other.join().unwrap()].concat();
    let expected = bits(Signal::CHLD) + bits(Signal::FPE);
    assert_eq!(all.iter().sum::<u32>(), expected, "each once");
}

fn bits(signal: Signal) -> u32 {
    SignalSet::only(signal).bits()
}

#[test]
fn a_signal_goes_to_one_thread() {
    holds(2, two_threads_take_what_is_pending);
}

#[test]
fn a_signal_goes_to_one_thread_breaks_when_it_is_taken_in_two_steps() {
    with_seed("a signal is taken in two steps", || {
        breaks(two_threads_take_what_is_pending)
    });
}

/// A thread blocks a signal, or ends, while the signal is sent: somebody who does not block it is asked.
fn a_signal_is_sent_while_a_thread_blocks_it() {
    let pending = Arc::new(SignalCell::default());
    // Of two threads, the first in the sender's eyes; the other never blocks anything.
    let mask = Arc::new(SignalCell::default());
    let asked = Arc::new(AtomicU32::new(0));
    let sender = {
        let (pending, mask, asked) = (pending.clone(), mask.clone(), asked.clone());
        thread::spawn(move || {
            pending.add(SignalSet::only(Signal::FPE));
            if mask.get().has(Signal::FPE) {
                asked.store(1, Ordering::Release);
            }
        })
    };
    if mask.replace(SignalSet::ALL, &pending) != SignalSet::EMPTY {
        asked.store(1, Ordering::Release);
    }
    sender.join().unwrap();
    assert_eq!(asked.load(Ordering::Acquire), 1, "the other one sleeps on");
}

#[test]
fn a_signal_finds_who_does_not_block_it() {
    holds(18, a_signal_is_sent_while_a_thread_blocks_it);
}

#[test]
fn a_signal_finds_who_does_not_block_it_breaks_when_the_mask_changes_after_the_look() {
    with_seed("a mask changes after the look at what is pending", || {
        breaks(a_signal_is_sent_while_a_thread_blocks_it)
    });
}

#[test]
fn a_signal_finds_who_does_not_block_it_breaks_when_what_is_pending_is_read_in_any_order() {
    with_seed("what was written first is read in any order", || {
        breaks(a_signal_is_sent_while_a_thread_blocks_it)
    });
}
