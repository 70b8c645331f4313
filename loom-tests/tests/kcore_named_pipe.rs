//! The ends of the kernel's named pipes: who opens one waits for the other.
#![cfg(loom)]

mod kcore_fiber;

use kcore::{End, Monitor, PipeBuffer, Side, with_seed};
use kcore_fiber::{Fiber, immortal};
use loom::thread;
use loom_tests::{breaks, holds, holds_with_two_preemptions};

type Pipe = Monitor<PipeBuffer<Vec<u8>>, Fiber>;

fn pipe() -> &'static Pipe {
    immortal(Monitor::new(PipeBuffer::new(vec![0])))
}

fn side(end: End) -> Side {
    match end {
        End::Read => Side::Takers,
        End::Write => Side::Givers,
    }
}

/// What the kernel does to open one end.
fn open(pipe: &Pipe, end: End) {
    let meeting = pipe.with(|buffer, wakes| buffer.open_to_meet(end, wakes));
    let me = Fiber::new();
    let met = pipe.wait(
        &me,
        side(end),
        |buffer, _| buffer.has_met(meeting).then_some(()),
        || me.pause(),
    );
    assert_eq!(met, Ok(()));
}

fn close(pipe: &Pipe, end: End) {
    pipe.with(|buffer, wakes| buffer.close(end, wakes));
}

/// One opens, finds the other, and closes at once.
fn a_short_writer_meets_a_reader() {
    let pipe = pipe();
    let writer = thread::spawn(move || {
        open(pipe, End::Write);
        close(pipe, End::Write);
    });
    open(pipe, End::Read);
    writer.join().unwrap();
    let end = pipe.with(|buffer, wakes| buffer.read(&mut [0], wakes));
    assert_eq!(end, Some(0), "the writer has come and gone");
    close(pipe, End::Read);
}

#[test]
fn the_two_ends_meet() {
    holds(10, a_short_writer_meets_a_reader);
}

#[test]
fn the_two_ends_meet_breaks_when_only_an_open_one_counts() {
    with_seed("an end waits for another that is still open", || {
        breaks(a_short_writer_meets_a_reader);
    });
}

/// Two readers wait for one writer, which does not stay.
fn a_short_writer_meets_two_readers() {
    let pipe = pipe();
    let readers = [(); 2].map(|()| {
        thread::spawn(move || {
            open(pipe, End::Read);
        })
    });
    open(pipe, End::Write);
    // A reader may come only now: it meets the writer, which is still there.
    for reader in readers {
        reader.join().unwrap();
    }
    close(pipe, End::Write);
}

#[test]
fn one_writer_lets_all_readers_in() {
    holds_with_two_preemptions(50, a_short_writer_meets_two_readers);
}
