//! Child processes: their end and their pipes, as futures.
//!
//! # Protocol
//! Starting a child (fork and exec) blocks for some hundred microseconds, so it is done by the
//! pool of threads that may. Its end is an event: on Linux the child's pidfd is in the reactor.
//! Where there are no pidfds (other systems, Linux before 5.3), a thread of the pool waits for the
//! end instead, one for each child that is waited for. Pipes are in the reactor.
//!
//! # Shutdown
//! A child that is dropped goes on, unless [`Child::kill_on_drop`] says otherwise; a task that
//! nobody joins waits for its end, so that it does not stay a zombie while the runtime runs.

mod pipe;
pub use pipe::{PipeReader, PipeWriter};

use std::{
    fmt, io,
    os::fd::OwnedFd,
    process::{Command, ExitStatus, Output, Stdio},
    vec::Vec,
};

use exec_core::Threads;
use futures_util::future::try_join3;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::{fs::run, io::AsyncFd, spawner::Spawner};

/// A child process.
///
/// # Examples
/// ```
/// use std::process::Command;
/// use mini_executor::{Runtime, process::Child};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let spawner = runtime.spawner();
/// let status = runtime.block_on(async {
///     let mut child = Child::spawn(&spawner, Command::new("true")).await?;
///     child.wait().await
/// })?;
/// assert!(status.success());
/// # Ok(()) }
/// ```
pub struct Child<#[cfg(not(loom))] T: Threads = kernel_bridge::Host, #[cfg(loom)] T: Threads> {
    /// Always there, but in `drop`.
    child: Option<Running<T>>,
    kill_on_drop: bool,
    /// What the child reads, if the command says that it is piped.
    pub stdin: Option<PipeWriter>,
    /// What the child writes, if the command says that it is piped.
    pub stdout: Option<PipeReader>,
    /// What the child writes of errors, if the command says that it is piped.
    pub stderr: Option<PipeReader>,
}

struct Running<T: Threads> {
    inner: std::process::Child,
    /// `None` where the system has none.
    pidfd: Option<AsyncFd<OwnedFd>>,
    spawner: Spawner<T>,
}

impl<T: Threads> Running<T> {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.inner.try_wait()? {
                return Ok(status);
            }
            match &self.pidfd {
                Some(pidfd) => {
                    let ready = pidfd.readable().await;
                    if let Some(status) = self.inner.try_wait()? {
                        return Ok(status);
                    }
                    ready.clear();
                }
                None => self.block().await?,
            }
        }
    }

    /// Waits by a thread, and leaves the child's status where it is.
    async fn block(&self) -> io::Result<()> {
        let pid = pid(&self.inner)?;
        run(&self.spawner, move || {
            loop {
                let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                match rustix::process::waitid(WaitId::Pid(pid), how) {
                    Err(rustix::io::Errno::INTR) => {}
                    result => return Ok(result.map(drop)?),
                }
            }
        })
        .await
    }
}

fn pid(child: &std::process::Child) -> io::Result<Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the system gave the child no number"))
}

#[cfg(target_os = "linux")]
fn pidfd<T: Threads>(
    spawner: &Spawner<T>,
    child: &std::process::Child,
) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    use rustix::{io::Errno, process::PidfdFlags};
    match rustix::process::pidfd_open(pid(child)?, PidfdFlags::NONBLOCK) {
        Ok(fd) => AsyncFd::for_reading(spawner, fd).map(Some),
        // The first: an old kernel; the others: one that does not allow it, or not the flag.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn pidfd<T: Threads>(
    _: &Spawner<T>,
    _: &std::process::Child,
) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    Ok(None)
}

impl<T: Threads> Child<T> {
    /// Starts a child.
    ///
    /// # Errors
    /// The system's. If the reactor can't watch the child or its pipes, the child is killed.
    ///
    /// # Cancel safety
    /// The child may have been started, and is killed then.
    pub async fn spawn(spawner: &Spawner<T>, mut command: Command) -> io::Result<Self> {
        let its_spawner = spawner.clone();
        run(spawner, move || {
            let child = Self::new(its_spawner, command.spawn()?);
            // Whoever waited for it and is gone does not know of it.
            child.map(|child| child.kill_on_drop(true))
        })
        .await
        .map(|child| child.kill_on_drop(false))
    }

    fn new(spawner: Spawner<T>, inner: std::process::Child) -> io::Result<Self> {
        let mut this = Self {
            child: Some(Running {
                inner,
                pidfd: None,
                spawner: spawner.clone(),
            }),
            kill_on_drop: true,
            stdin: None,
            stdout: None,
            stderr: None,
        };
        let running = this.running();
        running.pidfd = pidfd(&spawner, &running.inner)?;
        let (stdin, stdout, stderr) = (
            running.inner.stdin.take(),
            running.inner.stdout.take(),
            running.inner.stderr.take(),
        );
        this.stdin = stdin
            .map(|end| PipeWriter::new(&spawner, end))
            .transpose()?;
        this.stdout = stdout
            .map(|end| PipeReader::new(&spawner, end))
            .transpose()?;
        this.stderr = stderr
            .map(|end| PipeReader::new(&spawner, end))
            .transpose()?;
        Ok(this)
    }

    fn running(&mut self) -> &mut Running<T> {
        self.child
            .as_mut()
            .expect("invariant: it is only taken at the end")
    }

    /// Sets whether it is killed when it is dropped before it has ended. The default is no.
    #[must_use]
    pub fn kill_on_drop(mut self, yes: bool) -> Self {
        self.kill_on_drop = yes;
        self
    }

    /// The child's number.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, |child| child.inner.id())
    }

    /// Kills the child; wait for it afterwards.
    ///
    /// # Errors
    /// The system's; none if it has ended already.
    pub fn kill(&mut self) -> io::Result<()> {
        self.running().inner.kill()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system's.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.running().inner.try_wait()
    }

    /// Waits for its end. Its input is closed first, since it might wait for that.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing is lost: the status can be asked for again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        self.running().wait().await
    }

    /// Waits for its end and collects all that it writes into its pipes meanwhile.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// What was collected is lost, and the child is dropped.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        async fn all(pipe: Option<PipeReader>) -> io::Result<Vec<u8>> {
            match pipe {
                Some(mut pipe) => pipe.read_to_end().await,
                None => Ok(Vec::new()),
            }
        }
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) = try_join3(self.wait(), all(stdout), all(stderr)).await?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl<T: Threads> Drop for Child<T> {
    fn drop(&mut self) {
        let Some(mut running) = self.child.take() else {
            return;
        };
        if matches!(running.inner.try_wait(), Ok(Some(_))) {
            return;
        }
        if self.kill_on_drop {
            let _ = running.inner.kill();
        }
        let spawner = running.spawner.clone();
        spawner
            .spawn(async move { running.wait().await.map(drop) })
            .detach();
    }
}

/// Runs a command to its end and collects what it writes.
///
/// # Errors
/// The system's.
///
/// # Cancel safety
/// The child is killed if it was started.
pub async fn output<T: Threads>(spawner: &Spawner<T>, mut command: Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = Child::spawn(spawner, command).await?;
    child.kill_on_drop(true).wait_with_output().await
}

impl<T: Threads> fmt::Debug for Child<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("kill_on_drop", &self.kill_on_drop)
            .finish_non_exhaustive()
    }
}
