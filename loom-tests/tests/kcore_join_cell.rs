//! The kernel's join cell: between a thread that ends and those who want its code.
#![cfg(loom)]

mod kcore_fiber;

use kcore::{JoinCell, JoinError, State, StateCell, TidAllocator, with_seed};
use kcore_fiber::{Fiber, immortal};
use loom::{sync::Arc, thread};
use loom_tests::{breaks, holds};

const GROUP: u32 = 1;

fn join_meets_exit() {
    let tid = TidAllocator::<1>::new().allocate().unwrap();
    let cell = immortal(JoinCell::new());
    cell.open(tid, GROUP);
    let ending = thread::spawn(move || assert!(!cell.exit(i32::MIN, || ())));
    let me = Fiber::new();
    assert_eq!(cell.join(tid, GROUP, &me, || me.pause()), Ok(i32::MIN));
    ending.join().unwrap();
    let again = cell.join(tid, GROUP, &me, || unreachable!("the code is gone"));
    assert_eq!(again, Err(JoinError::Taken));
}

#[test]
fn a_joiner_always_gets_the_code() {
    holds(5, join_meets_exit);
}

#[test]
fn a_joiner_always_gets_the_code_breaks_when_exit_wakes_nobody() {
    with_seed("exit wakes nobody", || breaks(join_meets_exit));
}

#[test]
fn a_joiner_always_gets_the_code_breaks_when_a_token_is_overwritten() {
    with_seed("finish_park does not look for a token", || {
        breaks(join_meets_exit);
    });
}

/// What is recorded of the end is known to who has joined.
fn a_joiner_looks_at_what_is_recorded() {
    let tid = TidAllocator::<1>::new().allocate().unwrap();
    let cell = immortal(JoinCell::new());
    let state = Arc::new(StateCell::new());
    for step in [State::New, State::Ready, State::Running] {
        state.enter(step);
    }
    cell.open(tid, GROUP);
    let ending = {
        let state = state.clone();
        thread::spawn(move || {
            let record = || drop(state.enter(State::Terminated));
            assert!(!cell.exit(7, record));
        })
    };
    let me = Fiber::new();
    assert_eq!(cell.join(tid, GROUP, &me, || me.pause()), Ok(7));
    assert_eq!(state.get(), State::Terminated);
    ending.join().unwrap();
}

#[test]
fn a_joiner_finds_the_end_recorded() {
    holds(5, a_joiner_looks_at_what_is_recorded);
}

#[test]
fn a_joiner_finds_the_end_recorded_breaks_when_it_is_known_before() {
    with_seed("the end is recorded after it is known", || {
        breaks(a_joiner_looks_at_what_is_recorded);
    });
}

fn two_joiners_meet_exit() {
    let tid = TidAllocator::<1>::new().allocate().unwrap();
    let cell = immortal(JoinCell::new());
    cell.open(tid, GROUP);
    let join = move |cell: &'static JoinCell<Fiber>| {
        let me = Fiber::new();
        cell.join(tid, GROUP, &me, || me.pause())
    };
    let other = thread::spawn(move || join(cell));
    let ending = thread::spawn(move || assert!(!cell.exit(-5, || ())));
    let results = [join(cell), other.join().unwrap()];
    ending.join().unwrap();
    assert!(results.contains(&Ok(-5)), "{results:?}");
    assert!(results.contains(&Err(JoinError::Taken)), "{results:?}");
}

#[test]
fn exactly_one_of_two_joiners_wins() {
    holds(50, two_joiners_meet_exit);
}

#[test]
fn exactly_one_of_two_joiners_wins_breaks_when_a_late_one_takes_the_code() {
    with_seed("a late joiner takes the code", || {
        breaks(two_joiners_meet_exit);
    });
}

fn detach_meets_exit() {
    let tid = TidAllocator::<1>::new().allocate().unwrap();
    let cell = immortal(JoinCell::<Fiber>::new());
    cell.open(tid, GROUP);
    let ending = thread::spawn(move || cell.exit(1, || ()));
    let freed_by_detach = cell.detach(tid, GROUP).unwrap();
    let freed_by_exit = ending.join().unwrap();
    assert!(
        freed_by_detach != freed_by_exit,
        "the tid is freed exactly once"
    );
}

#[test]
fn a_detached_tid_is_freed_exactly_once() {
    holds(2, detach_meets_exit);
}

#[test]
fn a_detached_tid_is_freed_exactly_once_breaks_when_exit_keeps_it() {
    with_seed("exit of a detached thread keeps its tid", || {
        breaks(detach_meets_exit);
    });
}
