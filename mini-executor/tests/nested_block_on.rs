//! `block_on` where it would block a worker, or itself: a panic that names both runtimes, and
//! both go on.

mod watched;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use exec_core::{JoinError, unwind};
use mini_executor::Runtime;
use watched::watched;

fn named(name: &'static str) -> Arc<Runtime> {
    let runtime = Runtime::builder().workers(1).name(name).build();
    Arc::new(runtime.expect("builds"))
}

fn names_both(text: &str) {
    assert!(text.contains("`outer`"), "{text}");
    assert!(text.contains("`inner`"), "{text}");
}

#[test]
fn on_a_worker() {
    watched(|| {
        let (outer, inner) = (named("outer"), named("inner"));
        let task = {
            let inner = inner.clone();
            outer.spawn(async move { inner.block_on(async { 1 }) })
        };
        match task.join() {
            Err(JoinError::Panicked(panic)) => {
                names_both(panic.message().expect("a text"));
            }
            other => panic!("{other:?}"),
        }
        for runtime in [outer, inner] {
            assert_eq!(runtime.spawn(async { 2 }).join().expect("intact"), 2);
            assert_eq!(runtime.block_on(async { 3 }), 3);
        }
    });
}

#[test]
fn inside_block_on() {
    watched(|| {
        let (outer, inner) = (named("outer"), named("inner"));
        let caught = outer
            .block_on(async { catch_unwind(AssertUnwindSafe(|| inner.block_on(async { 1 }))) });
        let payload = caught.expect_err("panics");
        names_both(unwind::message(&payload).expect("a text"));
        for runtime in [outer, inner] {
            assert_eq!(runtime.spawn(async { 2 }).join().expect("intact"), 2);
            assert_eq!(runtime.block_on(async { 3 }), 3);
        }
    });
}
