//! Driving a future on the current thread.

use core::{future::Future, pin::Pin, task::Context};

use crate::ground::Ground;

/// Polls `future` on this thread and parks on `ground` between polls.
///
/// # Blocking
/// Until the future is ready.
pub fn park(ground: &(impl Ground + ?Sized), mut future: Pin<&mut dyn Future<Output = ()>>) {
    let waker = ground.unparker();
    let mut cx = Context::from_waker(&waker);
    while future.as_mut().poll(&mut cx).is_pending() {
        // A wake that came since the poll began has set the token: park returns at once.
        ground.park(None);
    }
}
