//! What is waited for beside other things, given up, and taken up again.

mod watched;

use std::{future::pending, sync::mpsc, time::Duration};

use futures_util::{FutureExt, select_biased};
use mini_executor::{JoinError, Runtime};
use watched::watched;

#[test]
fn a_handle_that_loses_is_asked_again_and_cancelled() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let (open, gate) = mpsc::channel();
            let there = spawner.clone();
            let mut task = spawner.spawn(async move {
                let opened = there.unblock(move || gate.recv()).await;
                opened.expect("not cancelled").expect("opened")
            });
            let mut beats = spawner.interval(Duration::from_micros(200));
            for _ in 0..10 {
                select_biased! {
                    _ = (&mut task).fuse() => panic!("nobody opened the gate"),
                    _ = beats.tick().fuse() => {}
                }
            }
            open.send(5).expect("it waits");
            select_biased! {
                ended = (&mut task).fuse() => assert_eq!(ended.expect("ends"), 5),
                () = spawner.sleep(Duration::from_secs(20)).fuse() => panic!("the gate is open"),
            }
            // One that has lost for good is cancelled through the same handle.
            let mut task = spawner.spawn(pending::<()>());
            select_biased! {
                _ = (&mut task).fuse() => panic!("it never ends"),
                _ = beats.tick().fuse() => assert!(task.cancel()),
            }
            assert!(matches!(task.await, Err(JoinError::Cancelled)));
        });
    });
}

#[test]
fn a_timer_that_loses_goes_on() {
    watched(|| {
        // By virtual time, so that it is only the timers that decide.
        let runtime = Runtime::builder().seeded(1).build().expect("builds");
        runtime.block_on(async {
            let before = runtime.now();
            let whole = Duration::from_millis(5);
            let mut sleep = runtime.sleep(whole);
            let mut lost = 0;
            loop {
                select_biased! {
                    () = (&mut sleep).fuse() => break,
                    () = runtime.sleep(Duration::from_millis(1)).fuse() => lost += 1,
                }
            }
            assert!((4..=5).contains(&lost), "{lost}");
            assert!(runtime.now().saturating_since(before) >= whole);
        });
    });
}

#[test]
fn a_group_that_loses_keeps_its_results() {
    watched(|| {
        let runtime = Runtime::builder().workers(2).build().expect("builds");
        runtime.block_on(async {
            let mut group = runtime.join_set();
            for n in 0..100_u32 {
                let spawner = runtime.spawner();
                group.spawn(async move {
                    spawner.sleep(Duration::from_micros(n.into())).await;
                    n
                });
            }
            let mut sum = 0;
            let mut beats = runtime.interval(Duration::from_micros(5));
            loop {
                select_biased! {
                    // Often ready, so that the group is often given up.
                    _ = beats.tick().fuse() => {}
                    joined = group.join_next().fuse() => match joined {
                        Some(n) => sum += n.expect("ends"),
                        None => break,
                    },
                }
            }
            assert_eq!(sum, 4_950);
        });
    });
}
