//! A limit for tests that would otherwise hang.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// Runs `test` on a thread of its own and returns what it returns.
///
/// # Panics
/// With the panic of `test`, and when it has not ended after 30 s.
pub(crate) fn within_30_s<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (send, receive) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = test();
        // The receiver is gone only after it has given up.
        let _ = send.send(());
        result
    });
    match receive.recv_timeout(Duration::from_secs(30)) {
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}
