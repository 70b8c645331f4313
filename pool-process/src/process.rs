//! One worker process as the pool holds it: started, spoken to, killed, reaped.
//!
//! A process is named by its pidfd, never by its number, except to reach its process group, and
//! that only before it is reaped, while its number can't be anybody else's.
//!
//! # Shutdown
//! [`reap`](Process::reap) is called once, by the pool's supervisor, when the pidfd has become
//! readable. What the worker's jobs have left behind in its process group is killed with it. A
//! process that was never handed to the supervisor is killed and reaped by its drop.

use core::fmt;
use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use exec_core::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use rustix::{
    io::{Errno, retry_on_intr},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions},
};

use crate::{
    channel::Channel,
    error::Ended,
    frame::{self, Assembler, Kind},
    page::Page,
    worker::{MARK, Setup},
};

/// How workers are started.
#[derive(Debug)]
pub(crate) struct Program {
    /// What they are called in process viewers.
    pub(crate) name: String,
    /// Arguments that lead the program to `init`, where its `main` needs some.
    pub(crate) args: Vec<OsString>,
    /// Bytes of address space.
    pub(crate) memory: Option<u64>,
    /// Whether their standard output goes nowhere.
    pub(crate) quiet: bool,
}

/// A running worker.
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    pub(crate) channel: Channel,
    pub(crate) page: Page,
    /// What it has said; locked by whoever has the right to read.
    pub(crate) inbox: Mutex<Assembler>,
    reaped: AtomicBool,
}

impl Process {
    /// Starts a worker.
    ///
    /// # Errors
    /// What the system refuses: descriptors, processes, memory. Nothing is left behind.
    pub(crate) fn start(program: &Program, index: usize) -> io::Result<Self> {
        let (channel, theirs) = Channel::pair()?;
        let (page, shared) = Page::create()?;
        let setup = Setup {
            memory: program.memory,
        };
        let mut first = frame::append(&setup, frame::begin(Vec::new()))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        frame::finish(&mut first, Kind::Setup, 0).map_err(|_| io::ErrorKind::InvalidInput)?;
        channel.send_with(&first, shared.as_fd())?;

        let me = rustix::process::getpid().as_raw_nonzero();
        let mut command = Command::new("/proc/self/exe");
        if program.quiet {
            command.stdout(Stdio::null());
        }
        let mut child = command
            .arg0(format!("{}-{index}", program.name))
            .args(&program.args)
            .env(MARK, me.to_string())
            .stdin(Stdio::from(theirs))
            .process_group(0)
            .spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let opened = pid
            .ok_or(Errno::SRCH)
            .and_then(|pid| Ok((pid, rustix::process::pidfd_open(pid, PidfdFlags::empty())?)));
        match opened {
            Ok((pid, pidfd)) => Ok(Self {
                pid,
                pidfd,
                channel,
                page,
                inbox: Mutex::new(Assembler::default()),
                reaped: AtomicBool::new(false),
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    /// What becomes readable at its end.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Takes its status, which frees its entry in the system's table, and ends what it has left
    /// in its process group.
    ///
    /// # Blocking
    /// Until it has ended.
    pub(crate) fn reap(&self) -> Ended {
        // ORDERING: only the supervisor reaps, and the drop has the process for itself.
        if self.reaped.swap(true, Relaxed) {
            return Ended::Unknown;
        }
        let id = || WaitId::PidFd(self.pidfd.as_fd());
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // As long as it is not reaped, its number, and so its group's, is its own.
        if retry_on_intr(|| rustix::process::waitid(id(), look)).is_ok() {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
        match retry_on_intr(|| rustix::process::waitid(id(), WaitIdOptions::EXITED)) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ended::Exited(code),
                (None, Some(signal)) => Ended::Signalled(signal),
                (None, None) => Ended::Unknown,
            },
            Ok(None) | Err(_) => Ended::Unknown,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // ORDERING: see `reap`.
        if !self.reaped.load(Relaxed) {
            self.kill();
            let _ = self.reap();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.id())
            .finish_non_exhaustive()
    }
}
