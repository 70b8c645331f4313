//! `server`: one protocol, served by each architecture.
//!
//! | subject | architecture |
//! |---|---|
//! | `prefork` | a process a CPU, started ahead, each an event loop ([`prefork`]) |
//! | `one-to-one` | a thread a connection ([`threads`]) |
//! | `pool-basic`, `pool-workstealing` | one thread waits for all, a pool does the work ([`handoff`]) |
//! | `mini-executor`, `tokio` | a task a connection ([`tasks`]) |
//!
//! What is answered is the same code for all ([`conversation`]).
//!
//! # Protocol
//! 1. The server starts, in this process or in some of its own, and the load ([`load`]) in another; one
//!    connection is tried.
//! 2. The server's memory is read, the load connects and asks once on each connection, and the memory
//!    is read again: what it has grown by is shared out among the connections. Memory that the system
//!    itself needs for a socket or a thread isn't in it.
//! 3. The load runs its timetable: latencies, requests a second, and the server's CPU time a request.
//! 4. The load asks as fast as it is answered: the capacity.
//!
//! Load and server work at the same time, so on a machine with few CPUs the capacity is that of both.

mod connection;
mod conversation;
mod event_loop;
mod handoff;
mod http;
mod load;
mod prefork;
mod process;
mod tasks;
mod threads;

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use nix::unistd::Pid;
use record::{Model, Reading, machine, metric};

pub(super) use self::load::LoadArgs;
pub(super) use self::prefork::WorkerArgs;

use self::load::Heard;
use self::prefork::Workers;
use self::process::Load;
use super::{Case, Setting};
use crate::model;
use crate::sockets::{Exchange, listen, possible};
use crate::usage::{self, Mark};

/// Requests a second of the timetable: a small part of what any of the architectures can do.
const RATE: u64 = 10_000;

/// The tail of a latency is told for so many requests at the least.
const TELLING: u64 = 1_000;

/// The cases.
pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let crowds: &[(Exchange, usize)] = setting.pick(
        &[
            (Exchange::Echo, 100),
            (Exchange::Echo, 1_000),
            (Exchange::Hello, 100),
        ],
        &[
            (Exchange::Echo, 100),
            (Exchange::Echo, 1_000),
            (Exchange::Echo, 10_000),
            (Exchange::Hello, 100),
            (Exchange::Hello, 1_000),
            (Exchange::Hello, 10_000),
        ],
    );
    let mut cases = Vec::new();
    for (exchange, connections) in crowds {
        let bench = format!("server/{}/{connections}", exchange.name());
        for architecture in Architecture::ALL {
            let plan = Plan {
                architecture: *architecture,
                exchange: *exchange,
                connections: *connections,
                cpus: setting.cpus,
                open: Duration::from_millis(setting.pick(300, 2_000)),
                closed: Duration::from_millis(setting.pick(100, 1_000)),
            };
            let case = Case::new(&bench, architecture.name(), move || plan.measure());
            cases.push(case.within(Duration::from_secs(60)));
        }
    }
    cases
}

/// How a server is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Architecture {
    Prefork,
    /// Connections go to this model, each as the model's users would have it.
    Model(Model),
}

impl Architecture {
    const ALL: &[Self] = &[
        Self::Prefork,
        Self::Model(Model::OneToOne),
        Self::Model(Model::PoolBasic),
        Self::Model(Model::PoolWorkstealing),
        Self::Model(Model::MiniExecutor),
        Self::Model(Model::Tokio),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Prefork => "prefork",
            Self::Model(model) => model.name(),
        }
    }

    /// Starts a server.
    fn start(self, exchange: Exchange, cpus: usize) -> anyhow::Result<Server> {
        let Self::Model(model) = self else {
            let (workers, port) = Workers::start(exchange, cpus)?;
            return Ok(Server {
                port,
                workers: Some(workers),
            });
        };
        let listener = listen()?;
        let port = listener.local_addr()?.port();
        let serve = move || -> anyhow::Result<()> {
            match model {
                Model::MiniExecutor => tasks::on_mini_executor(listener, exchange, cpus)?,
                Model::Tokio => tasks::on_tokio(listener, exchange, cpus)?,
                Model::OneToOne => threads::run(&listener, exchange, &model::build(model, cpus)?)?,
                _ => handoff::run(listener, exchange, &model::build(model, cpus)?)?,
            }
            Ok(())
        };
        // Never joined: it serves for ever, and ends with the process.
        thread::Builder::new()
            .name("server".into())
            .spawn(move || match serve() {
                Ok(()) => eprintln!("the server has ended"),
                Err(error) => eprintln!("the server has failed: {error:#}"),
            })
            .context("no thread")?;
        Ok(Server {
            port,
            workers: None,
        })
    }
}

/// A server that runs.
#[derive(Debug)]
struct Server {
    port: u16,
    /// Where it isn't this process.
    workers: Option<Workers>,
}

impl Server {
    fn processes(&self) -> Vec<Pid> {
        match &self.workers {
            Some(workers) => workers.processes(),
            None => vec![Pid::this()],
        }
    }

    /// Memory of its processes, of which shared pages count by their share.
    fn memory(&self) -> anyhow::Result<u64> {
        self.processes().into_iter().map(process::memory).sum()
    }

    /// CPU time of its processes so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        self.processes().into_iter().map(usage::cpu_of).sum()
    }
}

/// One case.
#[derive(Clone, Copy, Debug)]
struct Plan {
    architecture: Architecture,
    exchange: Exchange,
    connections: usize,
    cpus: usize,
    /// How long the timetable is.
    open: Duration,
    /// How long it is asked as fast as it answers.
    closed: Duration,
}

impl Plan {
    fn measure(self) -> anyhow::Result<Reading> {
        let possible = possible(self.connections)?;
        let server = self.architecture.start(self.exchange, self.cpus)?;
        let mut load = Load::start(&LoadArgs {
            port: server.port,
            connections: possible.connections,
            rate: RATE,
            exchange: self.exchange,
        })?;
        load.tell("try")?;
        let before = server.memory()?;
        let connected = load.tell("connect")?;
        let connected: usize = connected.parse().context("no number of connections")?;
        let grown = server.memory()?.saturating_sub(before);
        // Until everybody has found its place, on the same connections.
        load.hear("closed", self.closed / 4)?;

        let (mark, cpu) = (Mark::now(), server.cpu()?);
        let open = load.hear("open", self.open)?;
        let (took, cpu) = (mark.took(), server.cpu()?.saturating_sub(cpu));
        let closed = load.hear("closed", self.closed)?;
        load.end()?;

        let turned_away = (connected < possible.connections).then(|| {
            format!(
                "{connected} of {} connections: the server turned the others away",
                possible.connections
            )
        });
        // Their work is foreign to this process, but no disturbance.
        let ours = match server.workers {
            Some(_) => open.cpu + cpu,
            None => open.cpu,
        };
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let share = ours.as_secs_f64() / (took.wall.as_secs_f64() * cpus as f64);
        let reading = Reading {
            foreign: took.foreign.map(|foreign| (foreign - share).max(0.0)),
            mhz: machine::mhz(),
            ..Reading::default()
        };
        let figures = figures(reading, &open, &closed)?
            .with(
                &metric::CPU_TIME,
                cpu.as_secs_f64() * 1e9 / open.answered as f64,
            )
            .with(&metric::MEMORY, grown as f64 / connected as f64);
        let notes: Vec<_> = [possible.note, turned_away, lateness(&open)]
            .into_iter()
            .flatten()
            .collect();
        Ok(match notes.is_empty() {
            true => figures,
            false => figures.with_note(notes.join("; ")),
        })
    }
}

/// The figures that the load has seen.
fn figures(reading: Reading, open: &Heard, closed: &Heard) -> anyhow::Result<Reading> {
    ensure!(
        open.answered > 0 && closed.answered > 0,
        "nothing was answered"
    );
    let ns = |time: Duration| time.as_secs_f64() * 1e9;
    let rate = |heard: &Heard| heard.answered as f64 / heard.time.as_secs_f64();
    let tail = (open.answered >= TELLING).then(|| ns(open.p99_9));
    Ok(reading
        .with(&metric::LATENCY_P50, ns(open.p50))
        .with(&metric::LATENCY_P99, ns(open.p99))
        .with_known(&metric::LATENCY_P999, tail)
        .with(&metric::REQUESTS, rate(open))
        .with(&metric::CAPACITY, rate(closed)))
}

/// Where much of the latency may be the load's own.
fn lateness(open: &Heard) -> Option<String> {
    (open.late * 2 > open.p99).then(|| {
        format!(
            "the load itself was {} µs late at the 99th percentile",
            open.late.as_micros()
        )
    })
}

/// A message for a child whose pipe is gone.
fn gone(what: &str) -> anyhow::Error {
    anyhow!("{what} has ended too early")
}
