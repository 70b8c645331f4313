//! The other side as a process: this program again, which reads and writes bytes over pipes.
//!
//! # Protocol
//! A process with [`ENV`] set is a side, with a working set of so many bytes: it reads a byte, walks,
//! and answers with the byte after it, until its input ends. It inherits the CPU that it runs on.

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::pair::Pair;
use super::working_set::WorkingSet;
use crate::cpus;
use crate::switches::Switches;

/// Set in a process that is a side: the bytes of its working set.
const ENV: &str = "LAB_SIDE";

/// Where sides come in, which never return; for all others, nothing.
pub(in crate::experiments) fn init() {
    let Ok(bytes) = env::var(ENV) else { return };
    if let Err(error) = take_turns(bytes.parse().unwrap_or(0)) {
        eprintln!("error: {error:#}");
        process::exit(1);
    }
    process::exit(0);
}

fn take_turns(bytes: usize) -> anyhow::Result<()> {
    let set = WorkingSet::new(bytes);
    // Not std's own: those keep bytes back.
    let mut from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut to = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut byte = [0];
    while from.read(&mut byte)? == 1 {
        set.walk()?;
        to.write_all(&[byte[0].wrapping_add(1)])?;
    }
    Ok(())
}

/// A pair of which the other side is a process.
pub(super) struct Process {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
    set: Arc<WorkingSet>,
}

impl Process {
    /// Starts the other side on a CPU.
    pub(super) fn start(other: usize, set: &Arc<WorkingSet>) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe().context("could not find this program")?);
        command
            .env(ENV, set.bytes().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child =
            cpus::elsewhere(other, || command.spawn())?.context("could not start this program")?;
        let to = child.stdin.take();
        let from = child.stdout.take().context("it has an output")?;
        Ok(Self {
            child,
            to,
            from,
            set: Arc::clone(set),
        })
    }
}

impl Pair for Process {
    fn go(&mut self, turns: u64) -> anyhow::Result<()> {
        let to = self.to.as_mut().context("it has an input until the drop")?;
        for turn in 0..turns {
            let number = turn as u8;
            let mut byte = [number];
            self.set.walk()?;
            to.write_all(&byte)?;
            self.from.read_exact(&mut byte)?;
            ensure!(
                byte == [number.wrapping_add(1)],
                "a wrong answer: {byte:?} comes after {number}"
            );
        }
        Ok(())
    }

    fn cpu_elsewhere(&self) -> anyhow::Result<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.child.id().cast_signed()));
        let time = clock.and_then(clock_gettime);
        Ok(Duration::from(time.context("the other side has ended")?))
    }

    fn switches_elsewhere(&self) -> anyhow::Result<Switches> {
        Switches::of_threads(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it; one that has failed is waited for as well.
        self.to = None;
        let _ = self.child.wait();
    }
}
