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
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use record::Metric;

use self::load::{STARTED, Seen};
use crate::bars::Figure;
use crate::sockets::{Exchange, listen, possible};
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

/// Lets `serve` answer so many requests over so many connections.
fn measure(
    exchange: Exchange,
    connections: usize,
    requests: u64,
    serve: impl FnOnce(TcpListener) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Figure> {
    let possible = possible(connections)?;
    if let Some(note) = &possible.note {
        eprintln!("{note}");
    }
    let listener = listen()?;
    listener.set_nonblocking(true)?;
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

    let args = LoadArgs::new(port, possible.connections, requests, exchange);
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
