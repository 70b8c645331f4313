//! A frame that two processes share: both give it up at once, one of them frees it.
#![cfg(loom)]

use kcore::{FrameShares, with_seed};
use loom::{sync::Arc, thread};
use loom_tests::{breaks, holds};

/// Two owners give up their shares; how many are told that theirs was the last.
fn two_owners_give_up() {
    let shares = Arc::new(FrameShares::new(1));
    shares.share(0);
    let other = {
        let shares = shares.clone();
        thread::spawn(move || shares.give_up(0))
    };
    let frees = u32::from(shares.give_up(0)) + u32::from(other.join().unwrap());
    assert_eq!(frees, 1, "a frame is freed once");
    assert!(shares.is_sole(0), "the next owner starts alone");
}

#[test]
fn a_shared_frame_is_freed_once() {
    holds(2, two_owners_give_up);
}

#[test]
fn a_shared_frame_is_freed_once_breaks_when_a_share_is_given_up_in_two_steps() {
    with_seed("a share is given up in two steps", || {
        breaks(two_owners_give_up)
    });
}
