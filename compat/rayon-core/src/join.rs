//! `join` and `join_context`.
//!
//! # When a closure panics
//! The pool drops a second half that nobody has begun when the first one panics. rayon runs it
//! nevertheless, and programs rely on that, so both halves catch their panics here and the first
//! half's goes on when both are done.

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use pool_workstealing::Worker;

use crate::registry;

/// What the closures of [`join_context`] are told.
#[derive(Debug)]
pub struct FnContext {
    migrated: bool,
    /// It stays on its thread.
    marker: PhantomData<*mut ()>,
}

impl FnContext {
    fn new(migrated: bool) -> Self {
        Self {
            migrated,
            marker: PhantomData,
        }
    }

    /// Whether the closure runs on another thread than the one that called `join_context`.
    #[inline]
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

/// Runs `oper_a` and `oper_b`, perhaps at the same time, and returns both results.
///
/// On a worker of a pool they run in that pool, elsewhere in the global one.
///
/// # Panics
/// With the panic of `oper_a`, else with that of `oper_b`. Both were called by then.
///
/// # Blocking
/// Until both are done. What the worker runs meanwhile is the pool's
/// [`WaitPolicy`](crate::WaitPolicy) to say.
///
/// # Examples
/// ```
/// let mut numbers = [5, 3, 8, 1];
/// let (low, high) = numbers.split_at_mut(2);
/// rayon_core::join(|| low.sort(), || high.sort());
/// assert_eq!(numbers, [3, 5, 1, 8]);
/// ```
#[inline]
pub fn join<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_context(|_| oper_a(), |_| oper_b())
}

/// As [`join`], and each closure is told whether it has migrated to another thread.
///
/// Called outside of any pool, both have.
///
/// # Panics
/// As [`join`].
///
/// # Blocking
/// As [`join`].
#[inline]
pub fn join_context<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    Worker::with_current(|worker| match worker {
        Some(worker) => on_worker(worker, oper_a, oper_b, false),
        None => registry::global()
            .pool()
            .install_worker(|worker| on_worker(worker, oper_a, oper_b, true)),
    })
}

#[inline]
fn on_worker<A, B, RA, RB>(worker: &Worker, oper_a: A, oper_b: B, injected: bool) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    let (a, b) = worker.join_context(
        |_, told| catch(|| oper_a(FnContext::new(injected || told.migrated()))),
        |_, told| catch(|| oper_b(FnContext::new(injected || told.migrated()))),
    );
    match (a, b) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => go_on(a.err().or(b.err())),
    }
}

fn catch<R>(f: impl FnOnce() -> R) -> thread::Result<R> {
    // What unwinding may have left half done, the caller doesn't get to see: the panic goes on.
    catch_unwind(AssertUnwindSafe(f))
}

#[cold]
fn go_on(panic: Option<Box<dyn std::any::Any + Send>>) -> ! {
    resume_unwind(panic.expect("invariant: called when one of the two has failed"))
}
