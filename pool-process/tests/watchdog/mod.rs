//! A test that hangs fails after 60 s.

use std::{sync::mpsc, thread, time::Duration};

/// Runs `body` on a thread of its own, and fails when it takes longer than 60 s.
pub(crate) fn watched(body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if ended.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("hung for 60 s");
    }
    if let Err(payload) = runner.join() {
        std::panic::resume_unwind(payload);
    }
}
