//! Ends a test that hangs.

use std::{sync::mpsc, thread, time::Duration};

/// Runs `test` and fails when it has not ended after this many seconds.
pub(crate) fn watched(seconds: u64, test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ended.recv_timeout(Duration::from_secs(seconds)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hung for {seconds} s"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            if let Err(payload) = runner.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}
