//! Two threads of a process look at once at what is pending.
#![cfg(loom)]

use kcore::{Signal, SignalCell, SignalSet, with_seed};
use loom::{sync::Arc, thread};
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
