//! Units that are processes: started anew, forked, or kept ready by `pool-process`.
//!
//! # Protocol
//! A process that is started anew is this program with [`ENV`] set, which [`init`] sees before
//! anything else: it ends at once, or says that it is there and ends when its standard input does. A
//! forked one does the same with bytes. All that have been started are waited for, those before a
//! failure too, so that no zombie is left.

use std::env;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use anyhow::{Context as _, ensure};
use bare_fork::Child;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use pool_process::ProcessPool;

use super::kind::{Look, Units};
use crate::processes::NEXT;
use crate::switches::Switches;
use crate::usage::Children;

/// Set in a process that is a unit: `exit` or `wait`.
const ENV: &str = "LAB_UNIT";

/// Where units come in, which never return; for all others, nothing.
pub(in crate::experiments) fn init() {
    let Some(what) = env::var_os(ENV) else { return };
    if what == "wait" {
        let told = io::stdout()
            .write_all(&[0])
            .and_then(|()| io::stdout().flush());
        // Whatever comes, even an error, is the end.
        let _ = told.and_then(|()| io::stdin().read(&mut [0]));
    }
    process::exit(0);
}

/// This program again.
pub(super) struct Exec {
    program: PathBuf,
}

impl Exec {
    pub(super) fn new() -> anyhow::Result<Self> {
        let program = env::current_exe().context("could not find this program")?;
        Ok(Self { program })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env(ENV, what);
        command
    }
}

/// Waits for all of them, and fails where one did not end well.
fn wait(started: &[i32]) -> anyhow::Result<()> {
    let mut wrong = None;
    for id in started {
        match waitpid(Pid::from_raw(*id), None) {
            Ok(WaitStatus::Exited(_, 0)) => {}
            other => wrong = Some(other),
        }
    }
    ensure!(wrong.is_none(), "a process has not ended well: {wrong:?}");
    Ok(())
}

/// Starts so many, or as many as can be.
fn start(units: u64, mut one: impl FnMut() -> io::Result<i32>) -> (Vec<i32>, anyhow::Result<()>) {
    let mut started = Vec::new();
    for number in 1..=units {
        match one() {
            Ok(id) => started.push(id),
            Err(error) => {
                let all = format!("process {number} of {units}");
                return (started, Err(error).context(all));
            }
        }
    }
    (started, Ok(()))
}

/// Starts so many and waits for those that could be started, also where one could not be.
fn make(units: u64, one: impl FnMut() -> io::Result<i32>) -> anyhow::Result<()> {
    let (started, all) = start(units, one);
    wait(&started)?;
    all
}

/// Reads the byte of each, by which it says that it is there.
fn until_all_are_there(mut told: PipeReader, units: u64) -> io::Result<()> {
    told.read_exact(&mut vec![0; usize::try_from(units).unwrap_or(usize::MAX)])
}

/// Starts one that nobody but [`wait`] will wait for.
fn spawn(command: &mut Command) -> io::Result<i32> {
    Ok(command.spawn()?.id().cast_signed())
}

impl Units for Exec {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        let mut command = self.command("exit");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        make(units, || spawn(command))
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        // std closes the other ends in each of them, so that dropping ours ends all.
        let (until, end) = io::pipe()?;
        let (told, tell) = io::pipe()?;
        let mut command = self.command("wait");
        let command = command.stdin(Stdio::from(until)).stdout(Stdio::from(tell));
        look.before()?;
        let (started, all) = start(units, || spawn(command));
        let seen = all.and_then(|()| {
            until_all_are_there(told, units)?;
            look.during(&started)
        });
        drop(end);
        wait(&started)?;
        seen
    }

    fn elsewhere(&self) -> anyhow::Result<Children> {
        Ok(Children::so_far())
    }
}

/// Copies of this process.
pub(super) struct Fork;

impl Units for Fork {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        make(units, || bare_fork::fork(Child::Exits))
    }

    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        let (until, mut end) = io::pipe()?;
        let (told, tell) = io::pipe()?;
        let child = Child::Waits {
            tell: tell.as_fd(),
            until: until.as_fd(),
        };
        look.before()?;
        let (started, all) = start(units, || bare_fork::fork(child));
        let seen = all.and_then(|()| {
            until_all_are_there(told, units)?;
            look.during(&started)
        });
        // A byte for each: they hold the writer themselves, so its end would not come.
        end.write_all(&vec![0; started.len()])?;
        wait(&started)?;
        seen
    }

    fn elsewhere(&self) -> anyhow::Result<Children> {
        Ok(Children::so_far())
    }
}

/// Jobs of processes that are kept ready.
pub(super) struct Prefork(ProcessPool);

impl Prefork {
    pub(super) fn new(cpus: usize) -> anyhow::Result<Self> {
        Ok(Self(ProcessPool::new(cpus)?))
    }
}

impl Units for Prefork {
    fn make(&mut self, units: u64) -> anyhow::Result<()> {
        let all: Vec<_> = (0..units).map(|n| self.0.spawn(&NEXT, n)).collect();
        for (n, job) in (0..).zip(all) {
            let next = job.join()?;
            ensure!(next == n + 1, "a wrong answer: {next} comes after {n}");
        }
        Ok(())
    }

    /// Here the units are workers, of a pool that has so many.
    fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
        look.before()?;
        let mut pool = Self::new(usize::try_from(units)?)?;
        // Those that have done a job are as big as they get.
        pool.make(units * 4)?;
        let workers = pool.0.worker_ids();
        ensure!(workers.len() as u64 == units, "{} workers", workers.len());
        let workers: Vec<_> = workers.iter().map(|id| id.cast_signed()).collect();
        look.during(&workers)
    }

    fn elsewhere(&self) -> anyhow::Result<Children> {
        let mut all = Children::default();
        for id in self.0.worker_ids() {
            let id = id.cast_signed();
            let clock = clock_getcpuclockid(Pid::from_raw(id));
            let time = clock.and_then(clock_gettime);
            all.cpu += std::time::Duration::from(time.context("a worker has ended")?);
            all.switches += Switches::of_threads(id)?;
        }
        Ok(all)
    }
}
