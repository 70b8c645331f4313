//! The one right to a result.

use core::time::Duration;

use super::{
    Config, Make, Outcome, Skipped,
    gate::{Count, Gate},
};
use crate::{
    Handle, JoinError, JoinHandle, Nested,
    sync::{Arc, TryLock},
};

/// A job that waits at a gate.
fn gated(handle: &Handle, gate: &Gate) -> JoinHandle<u32> {
    let (gate, inner) = (gate.clone(), handle.clone());
    handle.spawn(move || {
        gate.wait(inner.ground());
        11
    })
}

pub(super) fn join_after_the_end_and_before(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let job = handle.spawn(|| 1);
    while !job.is_finished() {
        handle.ground().yield_now();
    }
    assert_eq!(job.join().expect("joined after the end"), 1);
    let gate = Gate::default();
    let job = gated(&handle, &gate);
    assert!(!job.is_finished(), "the gate is closed");
    gate.open();
    assert_eq!(job.join().expect("joined before the end"), 11);
    Ok(())
}

pub(super) fn becomes_finished(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let gate = Gate::default();
    let job = gated(&handle, &gate);
    assert!(!job.is_finished());
    gate.open();
    while !job.is_finished() {
        handle.ground().yield_now();
    }
    assert!(!job.cancel(), "what has ended cannot be cancelled");
    assert_eq!(job.join().expect("returns"), 11);
    Ok(())
}

pub(super) fn cancel_tells_the_truth(make: Make<'_>, config: &Config) -> Outcome {
    let handle = make();
    let ran = Count::default();
    let mut cancelled = 0;
    for _ in 0..config.many / 4 {
        let counted = ran.clone();
        let job = handle.spawn(move || counted.add());
        let said = job.cancel();
        match job.join() {
            Ok(()) => assert!(!said, "a job that was said to be cancelled ran"),
            Err(JoinError::Cancelled) => {
                assert!(said, "a job was cancelled that was said to go on");
                cancelled += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(ran.get() + cancelled, config.many / 4);
    Ok(())
}

pub(super) fn join_until_gives_the_handle_back(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let gate = Gate::default();
    let job = gated(&handle, &gate);
    let soon = handle
        .ground()
        .now()
        .saturating_add(Duration::from_millis(2));
    let job = match job.join_until(soon) {
        Ok(_) => panic!("the gate is closed, yet the job ended"),
        Err(job) => job,
    };
    assert!(
        handle.ground().now() >= soon,
        "it waited for as long as it was told"
    );
    gate.open();
    let later = handle
        .ground()
        .now()
        .saturating_add(Duration::from_secs(50));
    match job.join_until(later) {
        Ok(result) => assert_eq!(result.expect("returns"), 11),
        Err(_) => panic!("the gate is open, yet the job did not end"),
    }
    Ok(())
}

pub(super) fn is_a_future(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let gate = Gate::default();
    let job = gated(&handle, &gate);
    let result = handle.block_on(async {
        gate.open();
        job.await
    });
    assert_eq!(result.expect("returns"), 11);
    Ok(())
}

pub(super) fn self_join_is_an_error(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    if handle.caps().nested == Nested::Deadlocks {
        return Err(Skipped("the model says that nested waits deadlock"));
    }
    type Mailbox = Arc<TryLock<Option<JoinHandle<bool>>>>;
    let mailbox: Mailbox = Arc::new(TryLock::new(None));
    let answer = Count::default();
    let job = {
        let (mailbox, inner, answer) = (mailbox.clone(), handle.clone(), answer.clone());
        handle.spawn(move || {
            let own = loop {
                match mailbox.try_with(Option::take).flatten() {
                    Some(own) => break own,
                    None => inner.ground().yield_now(),
                }
            };
            let refused = matches!(own.join(), Err(JoinError::WouldDeadlock));
            if refused {
                answer.add();
            }
            refused
        })
    };
    let mut job = Some(job);
    while job.is_some() {
        mailbox.try_with(|slot| *slot = job.take());
    }
    answer.wait_for(1, handle.ground());
    Ok(())
}

pub(super) fn nested_join_ends(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let nested = handle.caps().nested;
    if nested == Nested::Deadlocks {
        return Err(Skipped("the model says that nested waits deadlock"));
    }
    let inner = handle.clone();
    let result = handle
        .spawn(move || inner.spawn(|| 3).join())
        .join()
        .expect("the outer returns");
    match result {
        Ok(value) => assert_eq!(value, 3),
        Err(JoinError::WouldDeadlock) => {
            assert_eq!(
                nested,
                Nested::Refuses,
                "only a model that says so may refuse"
            );
        }
        Err(other) => panic!("{other}"),
    }
    Ok(())
}
