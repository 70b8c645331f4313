//! One loom model a protocol, each with a twin that must fail.
//!
//! A model is a test named by its claim. `holds` explores its interleavings and asserts that
//! there were at least as many as the claim needs, because a model that explores one is one that
//! sees none of the atomics it is about. `breaks` runs the same model with a bug seeded into
//! the protocol (see `exec_core::sync::seeded`) and demands that loom finds it: a model that
//! cannot fail proves nothing.
//!
//! Run them with `cargo xtask loom`; without `--cfg loom` this package is empty.
#![cfg(loom)]

// Its functions stand in front of the C library's; other systems do without.
#[cfg(target_os = "linux")]
mod stacks;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

fn builder() -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    // Three preemptions find every known bug class of such protocols; LOOM_MAX_PREEMPTIONS, when
    // it is set, has been read by `new` already.
    builder.preemption_bound.get_or_insert(3);
    builder.max_branches = 20_000;
    builder
}

/// Explores `model` and asserts that no interleaving fails and at least `least` were explored.
///
/// # Panics
/// When an interleaving fails, or fewer were explored.
pub fn holds(least: usize, model: impl Fn() + Send + Sync + 'static) {
    explore(builder(), least, model);
}

/// As [`holds`], with at most two preemptions: for models whose third would take minutes.
///
/// # Panics
/// As `holds`.
pub fn holds_with_two_preemptions(least: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = builder();
    builder.preemption_bound = Some(2);
    explore(builder, least, model);
}

fn explore(builder: loom::model::Builder, least: usize, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let executions = executions.load(Relaxed);
    println!("{executions} executions");
    #[cfg(target_os = "linux")]
    assert!(
        executions == 1 || stacks::reused() > 0,
        "no stack was kept: the functions of `stacks` are not called"
    );
    assert!(
        executions >= least,
        "only {executions} executions, expected at least {least}"
    );
}

/// Explores `model`, which has a bug, and asserts that an interleaving fails.
///
/// # Panics
/// When none does.
pub fn breaks(model: impl Fn() + Send + Sync + 'static) {
    let found = catch_unwind(AssertUnwindSafe(|| builder().check(model)));
    assert!(
        found.is_err(),
        "the seeded bug was not found: the model cannot fail"
    );
}
