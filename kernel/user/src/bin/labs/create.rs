//! `create`: what one unit of execution costs to make and to end.
//!
//! # Parts
//! * `time/N`: N units are made, then all are waited for, again and again.
//! * `memory/N`: N units exist and wait; a unit's share of the pages that are then in use.
//! * `calls/N`: the system calls of N units, as the kernel counts them, those of a child process
//!   included.
//!
//! # Units
//! A process is this program started anew (`process-exec`) or a copy (`process-fork`), a thread the
//! system call's own or `kernel-bridge`'s, which uses stacks again; a job is what the handle spawns, and
//! of mini-executor a task.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use exec_core::ground::{ThreadSpec, Threads};
use exec_core::{Handle, Job};
use user::kernel::{Kernel, file};
use user::process::{self, News, Pid};
use user::{syscall, thread};

use super::case::{Case, Model, Reading, Setting, failed, timed};
use super::gate::Gate;

/// The argument of a process that ends at once.
pub(crate) const NOTHING: &str = "nothing";

/// What such a process does: its status is how many system calls it has made, the end included.
pub(crate) fn be_nothing() -> i32 {
    // The question counts itself, in place of the end.
    syscall::process_stats().syscalls as i32
}

/// What a process of another program does that waits instead.
pub(crate) fn be_waiting() -> i32 {
    wait_for_end(0, 1)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ProcessExec,
    ProcessFork,
    Thread,
    Bridge,
    Model(Model),
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::ProcessExec,
        Self::ProcessFork,
        Self::Thread,
        Self::Bridge,
        Self::Model(Model::OneToOne),
        Self::Model(Model::MiniExecutor),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ProcessExec => "process-exec",
            Self::ProcessFork => "process-fork",
            Self::Thread => "thread",
            Self::Bridge => "kernel-bridge",
            Self::Model(model) => model.name(),
        }
    }

    /// The most that exist at once.
    fn most(self, setting: &Setting) -> u64 {
        match self {
            Self::ProcessExec | Self::ProcessFork => 100,
            Self::Thread | Self::Bridge | Self::Model(Model::OneToOne) => setting.pick(100, 1_000),
            Self::Model(Model::MiniExecutor) => setting.pick(10_000, 100_000),
        }
    }

    /// How many are made for one time.
    fn enough(self, setting: &Setting) -> u64 {
        match self {
            Self::ProcessExec => setting.pick(20, 200),
            Self::ProcessFork => setting.pick(100, 500),
            _ => setting.pick(500, 5_000),
        }
    }
}

/// The units of the part `calls`.
const SOME: u64 = 100;

pub(crate) fn cases(setting: &Setting) -> Vec<Case> {
    let setting = *setting;
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        for units in sizes(kind.most(&setting), &setting) {
            cases.push(Case::new(
                format!("create/time/{units}"),
                kind.name(),
                move || time(kind, units, &setting),
            ));
        }
    }
    for kind in Kind::ALL {
        for units in sizes(kind.most(&setting), &setting).filter(|units| *units >= SOME) {
            cases.push(Case::new(
                format!("create/memory/{units}"),
                kind.name(),
                move || memory(kind, units, &setting),
            ));
        }
    }
    for kind in Kind::ALL {
        cases.push(Case::new(
            format!("create/calls/{SOME}"),
            kind.name(),
            move || calls(kind, &setting),
        ));
    }
    cases
}

/// How many units exist at once: a power of ten, up to the most.
fn sizes(most: u64, setting: &Setting) -> impl Iterator<Item = u64> {
    let step = setting.pick(100, 10);
    core::iter::successors(Some(1), move |units| Some(units * step))
        .take_while(move |units| *units <= most)
}

/// What makes the units of a kind.
struct Maker {
    kind: Kind,
    handle: Option<Handle>,
}

impl Maker {
    fn new(kind: Kind, setting: &Setting) -> Result<Self, String> {
        let handle = match kind {
            Kind::Model(model) => Some(model.build(setting.cpus)?),
            _ => None,
        };
        Ok(Self { kind, handle })
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("invariant: a model has one")
    }

    /// Makes so many that end at once, waits for all, and says what the processes among them say.
    fn make(&self, units: u64) -> Result<u64, String> {
        match self.kind {
            Kind::ProcessExec => {
                let start = |_| process::start(c"/labs", &[c"/labs", c"nothing"]);
                processes(units, start)
            }
            Kind::ProcessFork => processes(units, |_| process::spawn(be_nothing)),
            Kind::Thread => {
                let start = |_| thread::try_spawn(c"unit", || 0);
                let started: Vec<_> = (0..units)
                    .map(start)
                    .collect::<Result<_, _>>()
                    .map_err(failed("no thread"))?;
                Ok(started.into_iter().map(|thread| thread.join() as u64).sum())
            }
            Kind::Bridge => {
                let spec = ThreadSpec::new();
                let start = |_| Kernel.create(&spec, Job::new(|| ()));
                let started: Vec<_> = (0..units)
                    .map(start)
                    .collect::<Result<_, _>>()
                    .map_err(|why| format!("no thread: {:?}", why.reason))?;
                for thread in started {
                    Kernel
                        .join(thread)
                        .map_err(|why| format!("no join: {why:?}"))?;
                }
                Ok(0)
            }
            Kind::Model(Model::OneToOne) => {
                let handle = self.handle();
                let started: Vec<_> = (0..units).map(|_| handle.spawn(|| ())).collect();
                let mut joined = started.into_iter().map(exec_core::JoinHandle::join);
                joined.try_for_each(|end| end.map_err(failed("a job")))?;
                Ok(0)
            }
            Kind::Model(Model::MiniExecutor) => {
                let handle = self.handle();
                let started: Vec<_> = (0..units)
                    .map(|_| handle.spawn_async(core::future::ready(())))
                    .collect();
                let mut joined = started.into_iter().map(exec_core::JoinHandle::join);
                joined.try_for_each(|end| end.map_err(failed("a task")))?;
                Ok(0)
            }
        }
    }
}

/// Starts processes and waits for all; the sum of their statuses.
fn processes(
    units: u64,
    mut start: impl FnMut(u64) -> Result<Pid, syscall::Errno>,
) -> Result<u64, String> {
    let started: Vec<_> = (0..units)
        .map(&mut start)
        .collect::<Result<_, _>>()
        .map_err(failed("no process"))?;
    let mut sum = 0;
    for child in started {
        match process::wait(Some(child)) {
            Ok((_, News::Exited(status))) => sum += status as u64,
            other => return Err(format!("a process ended otherwise: {other:?}")),
        }
    }
    Ok(sum)
}

fn time(kind: Kind, units: u64, setting: &Setting) -> Result<Reading, String> {
    let maker = Maker::new(kind, setting)?;
    maker.make(units.min(20))?;
    let rounds = kind.enough(setting).div_ceil(units);
    let (made, region) = timed(|| (0..rounds).try_for_each(|_| maker.make(units).map(drop)));
    made?;
    let all = rounds * units;
    Ok(match kind {
        // The children's share is not in this process's accounts.
        Kind::ProcessExec | Kind::ProcessFork => region.time(all),
        _ => region.a_unit(all),
    })
}

fn calls(kind: Kind, setting: &Setting) -> Result<Reading, String> {
    let maker = Maker::new(kind, setting)?;
    maker.make(10)?;
    let (theirs, region) = timed(|| maker.make(SOME));
    // Two looks at the clock and one at the accounts are the measuring's own.
    let own = region.used().syscalls.saturating_sub(3);
    let all = own + theirs?;
    Ok(Reading::default().with("system_calls", all as f64 / SOME as f64))
}

/// What so many units that wait add to the memory in use.
fn memory(kind: Kind, units: u64, setting: &Setting) -> Result<Reading, String> {
    const PAGE: f64 = 4096.0;
    let count = u32::try_from(units).expect("invariant: a size is small");
    let maker = Maker::new(kind, setting)?;
    let gate = Gate::default();
    let before = syscall::free_memory();
    let a_unit = |during: usize| {
        let pages = before.saturating_sub(during) as f64;
        Reading::default().with("memory", pages * PAGE / units as f64)
    };
    match kind {
        Kind::ProcessExec | Kind::ProcessFork => waiting_processes(kind, units).map(a_unit),
        Kind::Thread => {
            let start = |_| {
                let gate = gate.clone();
                thread::try_spawn(c"unit", move || {
                    gate.pass();
                    0
                })
            };
            let started: Result<Vec<_>, _> = (0..units).map(start).collect();
            let started = started.map_err(failed("no thread"))?;
            gate.await_all(count);
            let during = syscall::free_memory();
            gate.open();
            for thread in started {
                thread.join();
            }
            Ok(a_unit(during))
        }
        Kind::Bridge => {
            let spec = ThreadSpec::new();
            let start = |_| {
                let gate = gate.clone();
                Kernel.create(&spec, Job::new(move || gate.pass()))
            };
            let started: Result<Vec<_>, _> = (0..units).map(start).collect();
            let started = started.map_err(|why| format!("no thread: {:?}", why.reason))?;
            gate.await_all(count);
            let during = syscall::free_memory();
            gate.open();
            for thread in started {
                Kernel
                    .join(thread)
                    .map_err(|why| format!("no join: {why:?}"))?;
            }
            Ok(a_unit(during))
        }
        Kind::Model(Model::OneToOne) => {
            let start = |_| {
                let gate = gate.clone();
                maker.handle().spawn(move || gate.pass())
            };
            let started: Vec<_> = (0..units).map(start).collect();
            gate.await_all(count);
            let during = syscall::free_memory();
            gate.open();
            let mut joined = started.into_iter().map(exec_core::JoinHandle::join);
            joined.try_for_each(|end| end.map_err(failed("a job")))?;
            Ok(a_unit(during))
        }
        Kind::Model(Model::MiniExecutor) => {
            let handle = maker.handle();
            let started: Vec<_> = (0..units)
                .map(|_| handle.spawn_async(core::future::pending::<()>()))
                .collect();
            let during = syscall::free_memory();
            for task in &started {
                task.cancel();
            }
            Ok(a_unit(during))
        }
    }
}

/// Starts processes that wait for the end of a pipe, and looks at the memory meanwhile.
fn waiting_processes(kind: Kind, units: u64) -> Result<usize, String> {
    let (read, write) = file::pipe().map_err(failed("no pipe"))?;
    let (ready, go) = file::pipe().map_err(failed("no pipe"))?;
    let fork = || {
        process::spawn(|| {
            if kind == Kind::ProcessExec {
                // It reads from 0 and tells on 1, as a program that knows of no pipe would.
                let moved = [file::dup2(read, 0), file::dup2(go, 1)];
                if moved.iter().any(Result::is_err) {
                    return 1;
                }
                for fd in [read, write, ready, go] {
                    let _ = file::close(fd);
                }
                let _ = process::exec(c"/labs", &[c"/labs", c"nothing", c"wait"]);
                return 1;
            }
            let _ = file::close(write);
            wait_for_end(read, go)
        })
    };
    let started: Result<Vec<_>, _> = (0..units).map(|_| fork()).collect();
    let mut told = 0;
    while let Ok(children) = &started
        && told < children.len()
    {
        told += file::read(ready, &mut [0; 64]).map_err(failed("nobody is ready"))?;
    }
    let during = syscall::free_memory();
    for fd in [write, read, ready, go] {
        file::close(fd).map_err(failed("a pipe"))?;
    }
    for child in started.map_err(failed("no process"))? {
        match process::wait(Some(child)) {
            Ok((_, News::Exited(0))) => {}
            other => return Err(format!("a process ended otherwise: {other:?}")),
        }
    }
    Ok(during)
}

/// Tells that it is there, and waits until nobody has the other end of a pipe; the status.
fn wait_for_end(read: i32, go: i32) -> i32 {
    match (file::write(go, &[1]), file::read(read, &mut [0])) {
        (Ok(1), Ok(0)) => 0,
        _ => 1,
    }
}
