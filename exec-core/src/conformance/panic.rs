//! A panic reaches the one who asked for the work, and nobody else.

use std::{
    boxed::Box,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::Arc,
    task::{Context, Wake, Waker},
};

use super::{
    Config, Make, Outcome,
    gate::{Count, Gate},
};
use crate::{JoinError, Shutdown, unwind};

fn text(error: JoinError) -> std::string::String {
    let payload = error.try_into_panic().expect("a panic");
    unwind::message(&payload).expect("a text").into()
}

struct PanicsInDrop(&'static str);

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

pub(super) fn reaches_the_joiner(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let error = handle
        .spawn(|| -> u8 { panic!("number {}", 7) })
        .join()
        .expect_err("panics");
    assert_eq!(text(error), "number 7");
    let error = handle
        .spawn(|| panic_any(17_u64))
        .join()
        .expect_err("panics");
    let payload = error.try_into_panic().expect("a panic");
    assert_eq!(payload.downcast_ref::<u64>(), Some(&17));
    Ok(())
}

pub(super) fn leaves_the_workers_alive(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    for n in 0..20 {
        assert!(handle.spawn(|| panic!("again")).join().is_err());
        assert_eq!(
            handle.spawn(move || n).join().expect("the next job runs"),
            n
        );
    }
    Ok(())
}

pub(super) fn of_a_detached_job_is_counted(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    handle
        .execute(|| panic!("nobody joins this"))
        .expect("accepted");
    let gate = Gate::default();
    {
        let (gate, inner) = (gate.clone(), handle.clone());
        handle
            .spawn(move || {
                gate.wait(inner.ground());
                panic!("nobody joins this either");
            })
            .detach();
    }
    gate.open();
    assert_eq!(handle.shutdown(Shutdown::Drain).leaked, 0);
    assert_eq!(handle.stats().panicked, 2);
    Ok(())
}

pub(super) fn in_drop_of_captures_reaches_the_joiner(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let held = PanicsInDrop("a capture");
    let error = handle.spawn(move || drop(held)).join().expect_err("panics");
    assert_eq!(text(error), "a capture");
    assert_eq!(handle.spawn(|| 1).join().expect("the worker lives"), 1);
    Ok(())
}

pub(super) fn in_drop_of_an_unread_result_is_contained(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    for _ in 0..8 {
        handle.spawn(|| PanicsInDrop("a result")).detach();
    }
    let job = handle.spawn(|| PanicsInDrop("a result that is there already"));
    while !job.is_finished() {
        handle.ground().yield_now();
    }
    drop(job);
    assert_eq!(handle.spawn(|| 1).join().expect("the workers live"), 1);
    assert_eq!(handle.shutdown(Shutdown::Drain).leaked, 0);
    Ok(())
}

pub(super) fn with_a_payload_that_panics_in_drop_is_contained(
    make: Make<'_>,
    _: &Config,
) -> Outcome {
    let handle = make();
    handle
        .execute(|| panic_any(PanicsInDrop("a payload")))
        .expect("accepted");
    handle
        .spawn(|| panic_any(PanicsInDrop("a payload")))
        .detach();
    let job = handle.spawn(|| panic_any(PanicsInDrop("a payload")));
    while !job.is_finished() {
        handle.ground().yield_now();
    }
    drop(job);
    assert_eq!(handle.spawn(|| 1).join().expect("the workers live"), 1);
    assert_eq!(handle.shutdown(Shutdown::Drain).leaked, 0);
    Ok(())
}

pub(super) fn in_a_future_reaches_the_joiner(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let error = handle
        .spawn_async(async { panic!("in a poll") })
        .join()
        .expect_err("panics");
    assert_eq!(text(error), "in a poll");
    let held = PanicsInDrop("in the drop of a future");
    let polled = Count::default();
    let counted = polled.clone();
    let task = handle.spawn_async(async move {
        let _held = held;
        counted.add();
        pending::<()>().await;
    });
    polled.wait_for(1, handle.ground());
    task.cancel();
    assert_eq!(
        text(task.join().expect_err("panics")),
        "in the drop of a future"
    );
    assert_eq!(handle.spawn(|| 1).join().expect("the worker lives"), 1);
    Ok(())
}

pub(super) fn in_a_waker_does_not_tear_the_cell(make: Make<'_>, _: &Config) -> Outcome {
    struct PanickyWaker;
    impl Wake for PanickyWaker {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let handle = make();
    let gate = Gate::default();
    let mut job = Box::pin({
        let (gate, inner) = (gate.clone(), handle.clone());
        handle.spawn(move || {
            gate.wait(inner.ground());
            3
        })
    });
    let waker = Waker::from(Arc::new(PanickyWaker));
    assert!(
        job.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    gate.open();
    while !job.is_finished() {
        handle.ground().yield_now();
    }
    let result = handle.block_on(poll_fn(|cx| job.as_mut().poll(cx)));
    assert_eq!(result.expect("the result is whole"), 3);
    assert_eq!(handle.spawn(|| 1).join().expect("the worker lives"), 1);
    Ok(())
}

pub(super) fn in_a_scope_waits_for_all_and_goes_on(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let ended = Count::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        handle.scope(|s| {
            s.spawn(|| panic!("first or second"));
            for _ in 0..6 {
                s.spawn(|| ended.add());
            }
            s.spawn(|| panic!("first or second"));
        });
    }));
    let payload = caught.expect_err("the scope panics");
    assert_eq!(unwind::message(&payload), Some("first or second"));
    assert_eq!(
        ended.get(),
        6,
        "all jobs had ended before the scope unwound"
    );
    let caught = catch_unwind(AssertUnwindSafe(|| {
        handle.scope(|s| {
            s.spawn(|| ended.add());
            panic!("the owner");
        })
    }));
    let payload: unwind::Payload = match caught {
        Ok(()) => panic!("the scope returned"),
        Err(payload) => payload,
    };
    assert_eq!(unwind::message(&payload), Some("the owner"));
    assert_eq!(ended.get(), 7);
    Ok(())
}

pub(super) fn in_either_half_of_a_join_waits_for_the_other(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    for _ in 0..20 {
        let ended = Count::default();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            handle.join(|| ended.add(), || panic!("b"));
        }));
        assert_eq!(unwind::message(&caught.expect_err("b panics")), Some("b"));
        assert_eq!(ended.get(), 1, "a had run");
        let (begun, over) = (Count::default(), Count::default());
        let caught = catch_unwind(AssertUnwindSafe(|| {
            handle.join(
                || panic!("a"),
                || {
                    begun.add();
                    over.add();
                },
            );
        }));
        assert_eq!(unwind::message(&caught.expect_err("a panics")), Some("a"));
        assert_eq!(
            begun.get(),
            over.get(),
            "b ended before the join unwound, or never began"
        );
        let caught = catch_unwind(AssertUnwindSafe(|| {
            handle.join(|| panic!("a"), || panic!("b"));
        }));
        assert_eq!(unwind::message(&caught.expect_err("both panic")), Some("a"));
    }
    Ok(())
}
