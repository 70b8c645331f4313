//! mini-executor's lanes: what is put into a lane that is being closed comes back to somebody.
#![cfg(loom)]

use std::sync::Arc;

use exec_core::sync::with_seed;
use loom::thread;
use loom_tests::{breaks, holds};
use mini_executor::model::{Container, Lane, Put};

#[derive(Default)]
struct Items(Vec<u32>);

impl Container for Items {
    type Item = u32;
    const LOOK: u64 = u64::MAX;
    fn put(&mut self, item: u32) {
        self.0.push(item);
    }
    fn take_all(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.0)
    }
    fn level(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Puts an item and returns what comes back of it.
fn put(lane: &Lane<Items>, item: u32) -> Vec<u32> {
    match lane.put(item) {
        Put::Closed(item) => vec![item],
        Put::In | Put::Late => lane.settle(),
    }
}

fn put_meets_close() {
    let lane = Arc::new(Lane::new(Items::default()));
    let putter = {
        let lane = lane.clone();
        thread::spawn(move || put(&lane, 7))
    };
    let mut all = lane.close();
    all.extend(putter.join().unwrap());
    assert_eq!(all, [7]);
}

#[test]
fn a_put_into_a_closing_lane_comes_back() {
    holds(5, put_meets_close);
}

#[test]
fn a_put_into_a_closing_lane_comes_back_breaks_when_the_holder_does_not_look_again() {
    with_seed("lane: the holder does not look again", || {
        breaks(put_meets_close)
    });
}

#[test]
fn a_put_into_a_closing_lane_comes_back_breaks_without_the_fence() {
    with_seed("lane: settling does not fence", || breaks(put_meets_close));
}

/// One of the two may find the container held, and go to the late list.
fn puts_meet() {
    let lane = Arc::new(Lane::new(Items::default()));
    let putter = {
        let lane = lane.clone();
        thread::spawn(move || assert_ne!(lane.put(1), Put::Closed(1)))
    };
    assert_ne!(lane.put(2), Put::Closed(2));
    putter.join().unwrap();
    assert!(lane.level() > 0);
    let mut all = lane
        .try_with(|items, _| items.take_all())
        .expect("nobody holds it");
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}

#[test]
fn a_put_never_waits_and_is_found() {
    holds(5, puts_meet);
}
