//! A part of a test that runs in a process of its own, with limits of its own.

use std::{
    env,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Set in the child.
const CHILD: &str = "POOL_BASIC_TEST_CHILD";

/// Whether this process is the child of the test `name`.
pub(crate) fn is_child(name: &str) -> bool {
    env::var_os(CHILD).is_some_and(|child| child == name)
}

/// Runs the test `name` of this program again, as a child, after the shell commands `limits`.
/// Returns how it ended and what it said; kills it after 25 s.
pub(crate) fn run(name: &str, limits: &str) -> Output {
    let program = env::current_exe().expect("the program knows itself");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("{limits}; exec \"$0\" --exact {name} --nocapture"))
        .arg(program)
        .env(CHILD, name)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell can be started");
    let end = Instant::now() + Duration::from_secs(25);
    while child.try_wait().expect("the child is ours").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            break;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    child.wait_with_output().expect("the child is ours")
}

/// What a child said, both streams.
pub(crate) fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}
