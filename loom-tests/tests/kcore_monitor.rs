//! The kernel's monitor, below pipes, mailboxes, semaphores and sockets: those who wait until a
//! state is as they need it, and those who change it.
#![cfg(loom)]

mod kcore_fiber;

use kcore::{
    End, Monitor, Objects, Pause, PipeBuffer, Refused, Right, Rights, Semaphore, Side, Stopped,
    Wakes, with_seed,
};
use kcore_fiber::{Fiber, immortal};
use loom::thread;
use loom_tests::{breaks, holds, holds_with_two_preemptions};

type Counter = Monitor<Semaphore, Fiber>;

fn counter() -> &'static Counter {
    immortal(Monitor::new(
        Semaphore::new(0).expect("zero is no great value"),
    ))
}

fn take(semaphore: &mut Semaphore, _: &mut Wakes) -> Option<()> {
    semaphore.take()
}

fn wait(counter: &Counter) {
    let me = Fiber::new();
    let end = counter.wait(&me, Side::Takers, take, || me.pause());
    assert_eq!(end, Ok(()));
}

fn post(counter: &Counter, count: u32) {
    let posted = counter.with(|semaphore, wakes| semaphore.post(count, wakes));
    assert_eq!(posted, Ok(()));
}

fn value(counter: &Counter) -> u32 {
    counter.with(|semaphore, _| semaphore.value())
}

fn a_wait_meets_a_post() {
    let counter = counter();
    let waiter = thread::spawn(move || wait(counter));
    post(counter, 1);
    waiter.join().unwrap();
    assert_eq!(value(counter), 0);
}

#[test]
fn no_post_is_lost() {
    holds(10, a_wait_meets_a_post);
}

#[test]
fn no_post_is_lost_breaks_when_the_queue_is_entered_late() {
    with_seed(
        "a monitor's queue is entered after the lock was gone",
        || {
            breaks(a_wait_meets_a_post);
        },
    );
}

fn two_waits_meet_a_post_of_two() {
    let counter = counter();
    let waiter = thread::spawn(move || wait(counter));
    let poster = thread::spawn(move || post(counter, 2));
    wait(counter);
    waiter.join().unwrap();
    poster.join().unwrap();
    assert_eq!(value(counter), 0);
}

#[test]
fn a_post_of_two_reaches_two() {
    holds_with_two_preemptions(50, two_waits_meet_a_post_of_two);
}

/// One waiter must leave at once; the other one must get what there is.
fn an_interrupted_wait_meets_a_post() {
    let counter = counter();
    let waiter = thread::spawn(move || wait(counter));
    let leaving = thread::spawn(move || {
        let me = Fiber::new();
        match counter.wait(&me, Side::Takers, take, || Pause::Interrupted) {
            // It was there already: somebody else may have it.
            Ok(()) => post(counter, 1),
            Err(end) => assert_eq!(end, Stopped::Interrupted),
        }
    });
    post(counter, 1);
    waiter.join().unwrap();
    leaving.join().unwrap();
    assert_eq!(value(counter), 0);
}

#[test]
fn who_leaves_hands_its_wake_up_on() {
    holds_with_two_preemptions(50, an_interrupted_wait_meets_a_post);
}

#[test]
fn who_leaves_hands_its_wake_up_on_breaks_when_it_keeps_it() {
    with_seed("a stopped waiter keeps its wake-up", || {
        breaks(an_interrupted_wait_meets_a_post);
    });
}

/// A wait whose time is over at once takes exactly what it says.
fn a_late_wait_meets_a_post() {
    let counter = counter();
    let poster = thread::spawn(move || post(counter, 1));
    let me = Fiber::new();
    let end = counter.wait(&me, Side::Takers, take, || Pause::TimedOut);
    poster.join().unwrap();
    assert_eq!(value(counter) == 0, end.is_ok(), "{end:?}");
}

#[test]
fn a_late_wait_takes_exactly_what_it_says() {
    holds(5, a_late_wait_meets_a_post);
}

/// A writer that fills a pipe of one byte twice, a reader that empties it: both wait for each other.
fn a_writer_meets_a_reader() {
    let pipe: &'static Monitor<PipeBuffer<Vec<u8>>, Fiber> = immortal(Monitor::new({
        let mut buffer = PipeBuffer::new(vec![0]);
        let mut wakes = Wakes::default();
        buffer.open(End::Read, &mut wakes);
        buffer.open(End::Write, &mut wakes);
        buffer
    }));
    let writer = thread::spawn(move || {
        let me = Fiber::new();
        for byte in [1, 2] {
            let end = pipe.wait(
                &me,
                Side::Givers,
                |buffer, wakes| buffer.write(&[byte], true, wakes),
                || me.pause(),
            );
            assert_eq!(end, Ok(Ok(1)));
        }
        pipe.with(|buffer, wakes| buffer.close(End::Write, wakes));
    });
    let me = Fiber::new();
    let mut sum = 0;
    loop {
        let mut byte = [0];
        let end = pipe.wait(
            &me,
            Side::Takers,
            |buffer, wakes| buffer.read(&mut byte, wakes),
            || me.pause(),
        );
        match end {
            Ok(0) => break,
            end => assert_eq!(end, Ok(1)),
        }
        sum = sum * 10 + byte[0];
    }
    writer.join().unwrap();
    assert_eq!(sum, 12);
}

#[test]
fn a_pipe_delivers_in_order_and_ends() {
    holds_with_two_preemptions(50, a_writer_meets_a_reader);
}

const ALL: u64 = 0o33;

fn a_wait_meets_a_destroy() {
    let table: &'static Objects<Semaphore, Fiber, 1> = immortal(Objects::new());
    let rights = Rights::from_bits(ALL).expect("known bits");
    let number = table.create(1, rights, Semaphore::new(0).unwrap()).unwrap();
    let waiter = thread::spawn(move || {
        let me = Fiber::new();
        let pause = || me.pause();
        let end = table.wait(
            number.into(),
            1,
            Right::Take,
            Side::Takers,
            &me,
            take,
            pause,
        );
        assert!(
            matches!(end, Err(Refused::Destroyed | Refused::NoObject)),
            "{end:?}"
        );
    });
    table.destroy(number.into(), 1).unwrap();
    // What comes into the place next is not what was waited for.
    table.create(1, rights, Semaphore::new(1).unwrap()).unwrap();
    waiter.join().unwrap();
}

#[test]
fn who_waits_is_told_of_the_destruction() {
    holds(10, a_wait_meets_a_destroy);
}

#[test]
fn who_waits_is_told_of_the_destruction_breaks_when_nobody_is_woken() {
    with_seed("destroying an object wakes nobody", || {
        breaks(a_wait_meets_a_destroy);
    });
}
