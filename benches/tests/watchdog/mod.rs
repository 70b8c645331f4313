//! Ends a test that hangs.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Runs a test body on a thread of its own and fails when it takes longer than 30 seconds.
pub(crate) fn run(body: impl FnOnce() + Send + 'static) {
    let (done, waiting) = channel();
    let thread = std::thread::spawn(move || {
        body();
        // The receiver waits until this or the drop of the sender by a panic.
        let _ = done.send(());
    });
    match waiting.recv_timeout(Duration::from_secs(30)) {
        Err(RecvTimeoutError::Timeout) => panic!("hung for 30 s"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
