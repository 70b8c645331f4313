//! Running one of the programs, with a watchdog.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// What a test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `f` on a thread of its own and panics if it has not ended in time.
pub(crate) fn watched(f: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        f();
        let _ = done.send(());
    });
    match ended.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hung for {} seconds", LIMIT.as_secs()),
        _ => {
            if let Err(payload) = runner.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}

/// A server program that runs.
pub(crate) struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("it says where it listens");
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("an address");
        Self {
            address: address.parse().expect("an address"),
            child,
            out,
        }
    }

    /// Asks it to end, and checks that it does.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).expect("a number");
        let pid = rustix::process::Pid::from_raw(pid).expect("a number");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("asked");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("its report");
        assert!(self.child.wait().expect("ends").success(), "{rest}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // When a test fails; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
