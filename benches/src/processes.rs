//! The bars of the pool of processes: the way to a worker process and back.
//!
//! What it is held against is what nobody who wants another process can do without: two bare
//! processes that hand the same bytes back and forth over a socket pair, or over two pipes. Beside
//! them, for scale, a pool of threads, and a fresh process a job.
//!
//! # Protocol
//! Workers and echoes are this program, started again; [`init`] is where they come in.

use std::env;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{self, Child, Command, Stdio};

use anyhow::{Context as _, anyhow, ensure};
use pool_process::{Function, ProcessPool};
use record::{Model, metric};

use crate::bars::{Bar, Bench, Figure, Judged, Subject, Suite};
use crate::model;
use crate::usage::Mark;

/// The job: as little as can be checked.
pub(crate) static NEXT: Function<u64, u64> = Function::new("next", |n| n + 1);

/// Set in an echo: what it writes to.
const ECHO: &str = "LAB_ECHO";

/// What an echo is handed and hands back: as many bytes as the pool sends for a job.
const BYTES: usize = 24;

/// Where workers and echoes come in, which never return; for all others, nothing.
pub fn init() {
    pool_process::init(&[&NEXT]);
    if let Some(what) = env::var_os(ECHO) {
        let ended = echo(what == "socket");
        process::exit(i32::from(ended.is_err()));
    }
}

/// Hands everything back, until the other side ends.
fn echo(socket: bool) -> io::Result<()> {
    let mut from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut to = match socket {
        true => from.try_clone()?,
        false => File::from(io::stdout().as_fd().try_clone_to_owned()?),
    };
    let mut bytes = [0; BYTES];
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..read])?;
    }
}

const ROUND_TRIP: Bench = Bench {
    name: "process_round_trip",
    subjects: &[
        Subject {
            name: OURS,
            jobs: 50_000,
            measure: ours_one_by_one,
        },
        Subject {
            name: "socketpair",
            jobs: 50_000,
            measure: socketpair,
        },
        Subject {
            name: "pipes",
            jobs: 50_000,
            measure: pipes,
        },
        Subject {
            name: "pool-basic",
            jobs: 50_000,
            measure: threads_one_by_one,
        },
        Subject {
            name: "fresh-process",
            jobs: 500,
            measure: fresh,
        },
    ],
    without: "",
    metrics: &[(metric::NS_PER_JOB, Judged::Wall)],
    judged: Judged::Wall,
    bars: &[
        &[Bar::limit(OURS, 30_000.0)],
        &[Bar::ratio(OURS, "socketpair", 2.0)],
        &[Bar::ratio(OURS, "fresh-process", 0.1)],
    ],
};

const AT_ONCE: Bench = Bench {
    name: "process_jobs_at_once",
    subjects: &[
        Subject {
            name: OURS,
            jobs: 50_000,
            measure: ours_at_once,
        },
        Subject {
            name: "pool-basic",
            jobs: 50_000,
            measure: threads_at_once,
        },
    ],
    without: "many jobs at once",
    metrics: &[(metric::NS_PER_JOB, Judged::Wall)],
    judged: Judged::Wall,
    bars: &[],
};

const OURS: &str = "pool-process";

/// The claims of `pool-process`.
pub const SUITE: Suite = Suite {
    name: "processes",
    benches: &[ROUND_TRIP, AT_ONCE],
    subjects: &[],
    left_out: &[],
    shared: &[],
    rounds: 11,
};

/// The figure of a measured piece of work. How busy others kept the machine is not known: what the
/// system counts as theirs has the workers' and the echoes' own time in it.
fn figure(start: &Mark, jobs: u64) -> Figure {
    Figure {
        foreign: None,
        ..Figure::new(start.took(), jobs)
    }
}

/// Jobs that are run before the clock starts.
const WARM_UP: u64 = 500;

/// Times one job after the other, and checks each answer.
fn one_by_one(
    jobs: u64,
    mut trip: impl FnMut(u64) -> anyhow::Result<u64>,
) -> anyhow::Result<Figure> {
    for n in 0..WARM_UP.min(jobs) {
        trip(n)?;
    }
    let start = Mark::now();
    for n in 0..jobs {
        let next = trip(n)?;
        ensure!(next == n + 1, "a wrong answer: {next} comes after {n}");
    }
    Ok(figure(&start, jobs))
}

fn ours_one_by_one(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = ProcessPool::new(cpus)?;
    one_by_one(jobs, |n| Ok(pool.spawn(&NEXT, n).join()?))
}

fn threads_one_by_one(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = model::pool_basic(Model::PoolBasic, cpus)?;
    one_by_one(jobs, |n| {
        let next = pool.spawn(move || n + 1).join();
        next.map_err(|error| anyhow!("a thread's job: {error}"))
    })
}

/// One trip of bytes that are as many as a job's: the number, and what fills up.
fn trip(to: &mut impl Write, from: &mut impl Read, n: u64) -> anyhow::Result<u64> {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    to.write_all(&bytes)?;
    from.read_exact(&mut bytes)?;
    let (number, _) = bytes.split_first_chunk().context("eight bytes")?;
    Ok(u64::from_le_bytes(*number) + 1)
}

/// This program again, as an echo.
fn start_echo(what: &str, stdin: Stdio, stdout: Stdio) -> anyhow::Result<Child> {
    Command::new("/proc/self/exe")
        .env(ECHO, what)
        .stdin(stdin)
        .stdout(stdout)
        .spawn()
        .context("could not start an echo")
}

fn socketpair(_: usize, jobs: u64) -> anyhow::Result<Figure> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = Stdio::from(OwnedFd::from(theirs));
    let mut echo = start_echo("socket", theirs, Stdio::null())?;
    let figure = one_by_one(jobs, |n| trip(&mut &ours, &mut &ours, n))?;
    drop(ours);
    echo.wait()?;
    Ok(figure)
}

fn pipes(_: usize, jobs: u64) -> anyhow::Result<Figure> {
    let (theirs, mut to): (PipeReader, PipeWriter) = io::pipe()?;
    let (mut from, back) = io::pipe()?;
    let mut echo = start_echo("pipes", theirs.into(), back.into())?;
    let figure = one_by_one(jobs, |n| trip(&mut to, &mut from, n))?;
    drop(to);
    echo.wait()?;
    Ok(figure)
}

/// A process a job, which does nothing but begin and end.
fn fresh(_: usize, jobs: u64) -> anyhow::Result<Figure> {
    one_by_one(jobs, |n| {
        let status = start_echo("nothing", Stdio::null(), Stdio::null())?.wait()?;
        ensure!(status.success(), "a fresh process: {status}");
        Ok(n + 1)
    })
}

fn ours_at_once(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = ProcessPool::new(cpus)?;
    for n in 0..WARM_UP {
        pool.spawn(&NEXT, n).join()?;
    }
    let start = Mark::now();
    let all: Vec<_> = (0..jobs).map(|n| pool.spawn(&NEXT, n)).collect();
    for (n, job) in (0..).zip(all) {
        let next = job.join()?;
        ensure!(next == n + 1, "a wrong answer: {next} comes after {n}");
    }
    Ok(figure(&start, jobs))
}

fn threads_at_once(cpus: usize, jobs: u64) -> anyhow::Result<Figure> {
    let pool = model::pool_basic(Model::PoolBasic, cpus)?;
    let start = Mark::now();
    let all: Vec<_> = (0..jobs).map(|n| pool.spawn(move || n + 1)).collect();
    for (n, job) in (0..).zip(all) {
        let next = job
            .join()
            .map_err(|error| anyhow!("a thread's job: {error}"))?;
        ensure!(next == n + 1, "a wrong answer: {next} comes after {n}");
    }
    Ok(figure(&start, jobs))
}
