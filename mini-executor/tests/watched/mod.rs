//! A watchdog for tests that would hang if they failed.

use std::{sync::mpsc, thread, time::Duration};

/// Runs `f` on a thread of its own and panics if it has not ended after 30 seconds.
pub(crate) fn watched(f: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        f();
        let _ = done.send(());
    });
    match ended.recv_timeout(Duration::from_secs(30)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hung for 30 seconds"),
        _ => {
            if let Err(payload) = runner.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}
