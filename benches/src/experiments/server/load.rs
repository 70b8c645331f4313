//! The load: a process with one thread that asks over all connections, by a timetable or as fast as
//! it is answered.
//!
//! # Protocol
//! The load is told by lines what to do, and answers each with a line:
//! 1. `try` connects once, asks once and closes: the server is up.
//! 2. `connect` makes all connections and asks once on each. A server may turn some away by closing
//!    them; the answer is how many are left.
//! 3. `open NS` runs the timetable for so long, `closed NS` asks again and again; the answer is what
//!    was [`Heard`].
//!
//! **Open.** Request `n` belongs to connection `n` modulo their number. It is sent when it is due or,
//! if that connection still waits for an answer, right after that. Its latency counts from when it was
//! due either way, so a server that stands still for a while is late for all requests of that while.
//! Each is waited for; a server that is more than [`PATIENCE`] behind has failed.
//!
//! **Closed.** Each connection asks as soon as it is answered, so there are always as many requests on
//! their way as connections. When the time is over the last ones are waited for, and not counted.
//!
//! Each answer is checked. From `open` on, a wrong one, a closed connection, or none at all for
//! [`PATIENCE`] is an error.

use std::io::BufRead as _;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;

use crate::sockets::{Exchange, Line, Taken, Timetable};
use crate::usage;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events that are taken at once.
const EVENTS: usize = 1024;

/// The longest latency that is told apart from longer ones.
const LONGEST_NS: u64 = 60_000_000_000;

/// Loads a server.
#[derive(clap::Args, Debug)]
pub struct LoadArgs {
    /// Where the server listens
    #[arg(long)]
    pub(super) port: u16,
    /// Connections
    #[arg(long)]
    pub(super) connections: usize,
    /// Requests a second of the timetable
    #[arg(long)]
    pub(super) rate: u64,
    /// What is asked
    #[arg(long, value_enum)]
    pub(super) exchange: Exchange,
}

impl LoadArgs {
    /// The words by which a program is started with these.
    pub(super) fn words(&self) -> [String; 4] {
        [
            format!("--port={}", self.port),
            format!("--connections={}", self.connections),
            format!("--rate={}", self.rate),
            format!("--exchange={}", self.exchange.name()),
        ]
    }

    /// Does what it is told, until nobody tells it anything more.
    ///
    /// # Errors
    /// Where a connection fails, or an answer is wrong or missing.
    pub(in super::super) fn run(&self) -> anyhow::Result<()> {
        // A sleep that is cut as it is asked for, not up to 50 µs later.
        set_timerslack(1).context("could not sharpen the clock")?;
        let mut crowd = None;
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            let answer = match line.split_once(' ') {
                None if line == "try" => {
                    self.connect(1)?;
                    String::new()
                }
                None if line == "connect" => {
                    let new = self.connect(self.connections)?;
                    crowd.insert(new).lines.len().to_string()
                }
                Some((verb, ns)) => {
                    let crowd = crowd.as_mut().context("not connected yet")?;
                    let length = Duration::from_nanos(ns.parse()?);
                    let heard = match verb {
                        "open" => crowd.open(&Timetable::new(self.rate, length))?,
                        "closed" => crowd.closed(length)?,
                        _ => bail!("'{verb}' is no order"),
                    };
                    heard.to_line()
                }
                None => bail!("'{line}' is no order"),
            };
            println!("{answer}");
        }
        Ok(())
    }

    /// Connects, and asks once on each connection.
    fn connect(&self, connections: usize) -> anyhow::Result<Crowd> {
        let poll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut lines = Vec::with_capacity(connections);
        for number in 0..connections {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            let stream = stream.with_context(|| format!("connection {number}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
            poll.add(&stream, EpollEvent::new(flags, number as u64))?;
            let mut line = Line::new(stream);
            // One that was turned away may be closed already: the answer will tell.
            let _ = line.ask(self.exchange, 0);
            lines.push(Some(line));
        }
        let mut left = connections;
        let mut crowd = Crowd::new(poll, self.exchange);
        while left > 0 {
            let events = crowd.wait(PATIENCE)?;
            ensure!(events > 0, "{left} connections were not answered");
            for at in 0..events {
                let number = crowd.event(at);
                let Some(line) = &mut lines[number] else {
                    continue;
                };
                match line.take(self.exchange)? {
                    Taken::Answer => left -= 1,
                    Taken::NotYet => {}
                    Taken::Closed => {
                        lines[number] = None;
                        left -= 1;
                    }
                }
            }
        }
        for (number, line) in lines.into_iter().flatten().enumerate() {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
            let mut event = EpollEvent::new(flags, number as u64);
            crowd.poll.modify(&line.stream, &mut event)?;
            crowd.lines.push(line);
        }
        ensure!(!crowd.lines.is_empty(), "the server turned everybody away");
        Ok(crowd)
    }
}

/// The connections.
struct Crowd {
    poll: Epoll,
    exchange: Exchange,
    lines: Vec<Line<TcpStream>>,
    events: Vec<EpollEvent>,
}

impl Crowd {
    fn new(poll: Epoll, exchange: Exchange) -> Self {
        Self {
            poll,
            exchange,
            lines: Vec::new(),
            events: vec![EpollEvent::empty(); EVENTS],
        }
    }

    /// Waits for events, at most so long, to the nanosecond; says how many there are.
    fn wait(&mut self, limit: Duration) -> anyhow::Result<usize> {
        let events = self.poll.wait(&mut self.events, EpollTimeout::ZERO)?;
        if events > 0 || limit.is_zero() {
            return Ok(events);
        }
        // `epoll_wait` counts in milliseconds, but the poll itself can be waited for.
        let mut this = [PollFd::new(
            std::os::fd::AsFd::as_fd(&self.poll.0),
            PollFlags::POLLIN,
        )];
        match ppoll(&mut this, Some(TimeSpec::from_duration(limit)), None) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error).context("could not wait"),
        }
        Ok(self.poll.wait(&mut self.events, EpollTimeout::ZERO)?)
    }

    /// The connection of an event.
    fn event(&self, at: usize) -> usize {
        self.events[at].data() as usize
    }

    /// Asks by the timetable.
    fn open(&mut self, table: &Timetable) -> anyhow::Result<Heard> {
        let crowd = self.lines.len() as u64;
        let mut tally = Tally::new()?;
        // Whether a connection waits for an answer, and the number of its next request.
        let mut waits = vec![false; self.lines.len()];
        let mut next: Vec<u64> = (0..crowd).collect();
        let (mut released, mut answered) = (0, 0);
        let start = Instant::now();
        while answered < table.requests() {
            let now = start.elapsed();
            let due = table.due_by(now);
            for number in released..due {
                let at = (number % crowd) as usize;
                if !waits[at] {
                    waits[at] = true;
                    next[at] += crowd;
                    self.lines[at].ask(self.exchange, number)?;
                    tally.late(now.saturating_sub(table.due(number)));
                }
            }
            released = due;
            let behind = start.elapsed().saturating_sub(table.due(released));
            ensure!(
                released < table.requests() || behind < PATIENCE,
                "{} of {} requests were not answered in {} s after the last",
                table.requests() - answered,
                table.requests(),
                PATIENCE.as_secs()
            );
            let limit = match released < table.requests() {
                true => table.due(released).saturating_sub(start.elapsed()),
                false => Duration::from_millis(100),
            };
            for event in 0..self.wait(limit)? {
                let at = self.event(event);
                if !self.has_answer(at)? {
                    continue;
                }
                let now = start.elapsed();
                tally.answer(now.saturating_sub(table.due(self.lines[at].number())));
                answered += 1;
                // The next one has waited for this answer if it is due already.
                waits[at] = next[at] < released;
                if waits[at] {
                    self.lines[at].ask(self.exchange, next[at])?;
                    next[at] += crowd;
                }
            }
        }
        tally.heard(answered, start.elapsed())
    }

    /// Asks again on each connection as soon as it is answered, for so long.
    fn closed(&mut self, length: Duration) -> anyhow::Result<Heard> {
        let mut tally = Tally::new()?;
        let mut sent = vec![Duration::ZERO; self.lines.len()];
        let start = Instant::now();
        for (line, sent) in self.lines.iter_mut().zip(&mut sent) {
            *sent = start.elapsed();
            line.ask(self.exchange, 0)?;
        }
        let (mut answered, mut left) = (0, self.lines.len());
        let mut end = None;
        while left > 0 {
            let events = self.wait(PATIENCE)?;
            ensure!(events > 0, "{left} requests were not answered");
            for event in 0..events {
                let at = self.event(event);
                if !self.has_answer(at)? {
                    continue;
                }
                let now = start.elapsed();
                if now < length {
                    tally.answer(now - sent[at]);
                    answered += 1;
                    sent[at] = now;
                    let number = self.lines[at].number() + 1;
                    self.lines[at].ask(self.exchange, number)?;
                } else {
                    end.get_or_insert(now);
                    left -= 1;
                }
            }
        }
        tally.heard(answered, end.context("invariant: there was a last answer")?)
    }

    /// Takes what has come on a connection; true where that completes an answer.
    fn has_answer(&mut self, at: usize) -> anyhow::Result<bool> {
        match self.lines[at].take(self.exchange)? {
            Taken::Answer => Ok(true),
            Taken::NotYet => Ok(false),
            Taken::Closed => bail!("a connection was closed"),
        }
    }
}

/// Latencies while they are gathered.
struct Tally {
    latencies: Histogram<u64>,
    /// How late the load itself was.
    late: Histogram<u64>,
    cpu: Duration,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        // Three digits: the error is at most 0.1 %.
        let new = || Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Ok(Self {
            latencies: new()?,
            late: new()?,
            cpu: usage::cpu()?,
        })
    }

    fn answer(&mut self, latency: Duration) {
        self.latencies.saturating_record(ns(latency));
    }

    fn late(&mut self, time: Duration) {
        self.late.saturating_record(ns(time));
    }

    fn heard(self, answered: u64, time: Duration) -> anyhow::Result<Heard> {
        let at = |quantile| Duration::from_nanos(self.latencies.value_at_quantile(quantile));
        Ok(Heard {
            answered,
            time,
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            late: Duration::from_nanos(self.late.value_at_quantile(0.99)),
            cpu: usage::cpu()?.saturating_sub(self.cpu),
        })
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What the load has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Requests that were answered.
    pub(super) answered: u64,
    /// Until the last of them was.
    pub(super) time: Duration,
    /// From when a request was due, or was sent where there is no timetable, to its answer.
    pub(super) p50: Duration,
    /// The slowest in a hundred.
    pub(super) p99: Duration,
    /// The slowest in a thousand.
    pub(super) p99_9: Duration,
    /// How late the load itself was in sending, at the 99th percentile.
    pub(super) late: Duration,
    /// CPU time of the load.
    pub(super) cpu: Duration,
}

impl Heard {
    fn to_line(self) -> String {
        let times = [
            self.time, self.p50, self.p99, self.p99_9, self.late, self.cpu,
        ];
        let mut line = self.answered.to_string();
        for time in times {
            line.push_str(&format!(" {}", time.as_nanos()));
        }
        line
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        let numbers: Option<Vec<u64>> = line.split(' ').map(|word| word.parse().ok()).collect();
        let [answered, times @ ..] = &numbers?[..] else {
            return None;
        };
        let times: Vec<_> = times.iter().map(|ns| Duration::from_nanos(*ns)).collect();
        let [time, p50, p99, p99_9, late, cpu] = times[..] else {
            return None;
        };
        Some(Self {
            answered: *answered,
            time,
            p50,
            p99,
            p99_9,
            late,
            cpu,
        })
    }
}

#[cfg(test)]
mod tests;
