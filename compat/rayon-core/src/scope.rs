//! Scopes: closures that borrow from the stack of the thread that waits for them.
//!
//! The scopes are the pool's own; here is only decided in which pool they are.

use pool_workstealing::{self as ws, Worker};

pub use pool_workstealing::{Scope, ScopeFifo};

use crate::registry;

/// Whether the pool finds itself by the current thread.
fn on_worker() -> bool {
    Worker::with_current(|worker| worker.is_some())
}

/// Runs `op` on a worker with a scope, and returns its result when everything that was spawned in
/// the scope has ended. What is spawned may borrow whatever outlives the scope.
///
/// Of what one worker has spawned, it runs the newest first; the others take the oldest.
///
/// # Panics
/// With the panic of `op`, else with the first one of what was spawned, after all have ended.
///
/// # Blocking
/// Until all have ended.
///
/// # Examples
/// ```
/// let mut squares = [1, 2, 3];
/// rayon_core::scope(|s| {
///     for n in &mut squares {
///         s.spawn(move |_| *n *= *n);
///     }
/// });
/// assert_eq!(squares, [1, 4, 9]);
/// ```
pub fn scope<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    if on_worker() {
        ws::scope(op)
    } else {
        registry::global().pool().scope(op)
    }
}

/// As [`scope()`], and of what one worker has spawned, it runs the oldest first.
///
/// # Panics
/// As [`scope()`].
///
/// # Blocking
/// As [`scope()`].
pub fn scope_fifo<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
    R: Send,
{
    if on_worker() {
        ws::scope_fifo(op)
    } else {
        registry::global().pool().scope_fifo(op)
    }
}

/// As [`scope()`], and `op` runs on the current thread even when that is no worker.
///
/// # Panics
/// As [`scope()`].
///
/// # Blocking
/// As [`scope()`].
pub fn in_place_scope<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&Scope<'scope>) -> R,
{
    if on_worker() {
        ws::in_place_scope(op)
    } else {
        registry::global().pool().in_place_scope(op)
    }
}

/// As [`in_place_scope()`], in the order of [`scope_fifo()`].
///
/// # Panics
/// As [`scope()`].
///
/// # Blocking
/// As [`scope()`].
pub fn in_place_scope_fifo<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&ScopeFifo<'scope>) -> R,
{
    if on_worker() {
        ws::in_place_scope_fifo(op)
    } else {
        registry::global().pool().in_place_scope_fifo(op)
    }
}
