//! One closure, called once on each worker.

use pool_workstealing::Worker;

pub use pool_workstealing::BroadcastContext;

use crate::registry;

/// Calls `op` once on each worker of the current pool, or else of the global one, and returns the
/// results in the order of the workers.
///
/// # Panics
/// With the panic of one of the calls, after all have ended.
///
/// # Blocking
/// Until every worker has called it; one that is in a closure does when that ends or waits.
///
/// # Examples
/// ```
/// let indices = rayon_core::broadcast(|context| context.index());
/// assert!(indices.into_iter().eq(0..rayon_core::current_num_threads()));
/// ```
pub fn broadcast<OP, R>(op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    if Worker::with_current(|worker| worker.is_some()) {
        pool_workstealing::broadcast(op)
    } else {
        registry::global().pool().broadcast(op)
    }
}

/// As [`broadcast()`], without waiting. A panic of a call goes to the pool's panic handler.
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    if let Some(home) = registry::here() {
        home.spawn_broadcast(op);
    }
}
