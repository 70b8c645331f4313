//! Servers over loopback: how many requests a second, how late the slowest answers, and the CPU
//! time that a request takes.
//!
//! # Protocol
//! The process of a sample is the server, on a thread of its own; it starts a second process, the
//! load (see [`load`]), and waits for what that has seen. Rate and tail are the load's; the CPU
//! time is that of the server's process alone, between the end of the load's warm-up and its last
//! answer. One sample gives all three, so the benches of a number of connections share theirs.
//!
//! Both processes work at the same time, so on a machine of two CPUs a server of two threads has
//! less than one of them to itself: the CPU time a request is the figure to trust.

mod echo;
mod echo_servers;
#[cfg(feature = "async-peers")]
mod hyper;
mod load;
mod raw;

pub use self::load::LoadArgs;

pub(super) use self::echo::{
    CPU_100, CPU_1000, P99_100, P99_1000, RATE_100, RATE_1000, RATE_10000,
};
#[cfg(feature = "async-peers")]
pub(super) use self::hyper::{P99 as HYPER_P99, RATE as HYPER_RATE};

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{Backlog, listen};
use record::Metric;

use self::load::{Exchange, STARTED, Seen};
use crate::bars::Figure;
use crate::usage::Mark;

/// Benches that share their samples: one run of a server shows its rate, its tail and its cost.
pub(super) const SHARED: &[&[&str]] = &[
    &[RATE_100.name, P99_100.name, CPU_100.name],
    &[RATE_1000.name, P99_1000.name, CPU_1000.name],
    &[RATE_10000.name],
    &["hyper_rps", "hyper_p99"],
];

/// Answers a second.
const RATE: Metric = Metric::higher("requests_per_s", "1/s");
/// From the request to the whole answer.
const P99: Metric = Metric::lower("latency_p99", "ns");
/// CPU time of the server's process.
const CPU: Metric = Metric::lower("cpu_ns_per_request", "ns");

/// What a subject lacks that isn't measured.
const NO_SERVER: &str = "server here";

/// Connections that may wait to be accepted; the system may have a limit that is lower.
const BACKLOG: i32 = 4096;

/// Descriptors that a server has besides its connections.
const BESIDES: u64 = 100;

/// Raises the limit of descriptors as far as it goes; so many connections are possible.
fn possible(connections: usize) -> anyhow::Result<usize> {
    let wanted = connections as u64 + BESIDES;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = soft.max(wanted.min(hard));
    // The load inherits it.
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
    if limit >= wanted {
        return Ok(connections);
    }
    let fewer = limit.saturating_sub(BESIDES);
    eprintln!("only {fewer} of {connections} connections: {hard} descriptors are the limit");
    ensure!(fewer > 0, "no descriptors for connections");
    Ok(usize::try_from(fewer)?)
}

/// Lets `serve` answer so many requests over so many connections.
fn measure(
    exchange: Exchange,
    connections: usize,
    requests: u64,
    serve: impl FnOnce(TcpListener) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Figure> {
    let connections = possible(connections)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port")?;
    listener.set_nonblocking(true)?;
    // The library's own 128 overflow when thousands connect, and who is turned away waits a second.
    listen(&listener, Backlog::new(BACKLOG)?).context("could not listen")?;
    let port = listener.local_addr()?.port();
    let server = move || match serve(listener) {
        Ok(()) => eprintln!("the server has ended"),
        Err(error) => eprintln!("the server has failed: {error:#}"),
    };
    // Never joined: it serves for ever, and ends with the process.
    std::thread::Builder::new()
        .name("server".into())
        .spawn(server)
        .context("no thread")?;

    let args = LoadArgs::new(port, connections, requests, exchange);
    let program = std::env::current_exe().context("could not find this program")?;
    let mut load = Command::new(program)
        .args(args.words())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start the load")?;
    let mut lines = BufReader::new(load.stdout.take().context("no pipe")?).lines();
    let started = lines.next().transpose()?;
    let mark = Mark::now();
    let seen = lines.next().transpose()?;
    let took = mark.took();
    let status = load.wait()?;
    let whole = status.success() && started.as_deref() == Some(STARTED);
    ensure!(whole, "the load ended with {status}");
    let seen = seen.as_deref().and_then(Seen::from_line);
    let seen = seen.context("the load says nothing")?;

    let a_request = |time: Duration| time.as_secs_f64() * 1e9 / requests as f64;
    // The load's own CPU time is foreign to this process, but no disturbance.
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let share = seen.cpu.as_secs_f64() / (took.wall.as_secs_f64() * cpus as f64);
    Ok(Figure {
        wall_ns: a_request(seen.wall),
        cpu_ns: a_request(took.cpu),
        tail_ns: Some(seen.p99.as_secs_f64() * 1e9),
        foreign: took.foreign.map(|foreign| (foreign - share).max(0.0)),
    })
}
