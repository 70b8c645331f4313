//! Closures that nobody waits for.

use crate::registry;

/// Runs `func` some time in the pool of the current thread, or else in the global one.
///
/// On a worker it goes to that worker's queue, where the newest is run first unless another
/// worker takes the oldest. The pool stays open until it has ended, even when the
/// [`ThreadPool`](crate::ThreadPool) is dropped before.
///
/// A panic of it goes to the pool's panic handler.
///
/// # Examples
/// ```
/// let (send, receive) = std::sync::mpsc::channel();
/// rayon_core::spawn(move || send.send(6 * 7).expect("the receiver waits"));
/// assert_eq!(receive.recv(), Ok(42));
/// ```
pub fn spawn<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    match registry::here() {
        Some(home) => home.spawn(func),
        None => func(),
    }
}

/// As [`spawn()`], and what the same worker has spawned with this before is run first.
pub fn spawn_fifo<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    match registry::here() {
        Some(home) => home.spawn_fifo(func),
        None => func(),
    }
}
