//! The load: one thread that keeps one request on its way on every connection.
//!
//! # Protocol
//! A connection's next request leaves when its answer has come, so never more than one is on its
//! way. The first ones warm up; then the word [`STARTED`] is printed, and the clock runs until the
//! last answer. Every request after the warm-up is timed, and at the end each is waited for: a
//! connection that was starved counts.
//!
//! Each answer is checked. A wrong one, a closed connection, or none for [`PATIENCE`], is an error.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::sockets::{Exchange, Line, Taken};
use crate::usage;

/// What is printed when the warm-up is over.
pub(super) const STARTED: &str = "started";

/// How long no answer at all is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events that are taken at once.
const EVENTS: usize = 1024;

/// Loads a server, from a process of its own.
#[derive(clap::Args, Debug)]
pub struct LoadArgs {
    /// Where the server listens
    #[arg(long)]
    port: u16,
    /// Connections, each with one request on its way
    #[arg(long)]
    connections: usize,
    /// Requests that are timed
    #[arg(long)]
    requests: u64,
    /// What is asked
    #[arg(long, value_enum)]
    exchange: Exchange,
}

impl LoadArgs {
    pub(super) fn new(port: u16, connections: usize, requests: u64, exchange: Exchange) -> Self {
        Self {
            port,
            connections,
            requests,
            exchange,
        }
    }

    /// The words by which a program is started with these.
    pub(super) fn words(&self) -> Vec<String> {
        vec![
            "load".to_owned(),
            format!("--port={}", self.port),
            format!("--connections={}", self.connections),
            format!("--requests={}", self.requests),
            format!("--exchange={}", self.exchange.name()),
        ]
    }

    /// Loads the server and prints what was seen.
    ///
    /// # Errors
    /// Where a connection fails, or an answer is wrong or missing.
    ///
    /// # Blocking
    /// Until the last answer has come.
    pub fn run(&self) -> anyhow::Result<()> {
        let started = || {
            println!("{STARTED}");
        };
        let seen = self.load(started)?;
        println!("{}", seen.to_line());
        Ok(())
    }

    fn load(&self, started: impl FnOnce()) -> anyhow::Result<Seen> {
        ensure!(self.connections > 0 && self.requests > 0, "nothing to do");
        let mut poll = Poll::new()?;
        let mut lines = Vec::with_capacity(self.connections);
        for number in 0..self.connections {
            let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            let stream = stream.with_context(|| format!("connection {number}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let registry = poll.registry();
            registry.register(&mut stream, Token(number), Interest::READABLE)?;
            lines.push((Line::new(stream), Instant::now()));
        }
        let warm_up = (self.requests / 5).max(self.connections as u64);
        let mut round = Round {
            exchange: self.exchange,
            warm_up,
            all: warm_up + self.requests,
            sent: 0,
            times: Vec::with_capacity(usize::try_from(self.requests)?),
        };
        for (line, sent) in &mut lines {
            *sent = Instant::now();
            round.ask(line)?;
        }
        let (mut events, mut answers) = (Events::with_capacity(EVENTS), 0);
        let mut start = None;
        let mut started = Some(started);
        while answers < round.all {
            match poll.poll(&mut events, Some(PATIENCE)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            ensure!(!events.is_empty(), "no answer, after {answers}");
            for event in &events {
                let (line, sent) = &mut lines[event.token().0];
                if !round.answered(line, sent)? {
                    continue;
                }
                answers += 1;
                if answers == round.warm_up
                    && let Some(tell) = started.take()
                {
                    tell();
                    start = Some((Instant::now(), usage::cpu()?));
                }
            }
        }
        let (start, cpu) = start.context("invariant: the warm-up is over")?;
        let (wall, cpu) = (start.elapsed(), usage::cpu()?.saturating_sub(cpu));
        let mut times = round.times;
        ensure!(times.len() as u64 == self.requests, "{} times", times.len());
        times.sort_unstable();
        let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)];
        Ok(Seen { wall, p99, cpu })
    }
}

/// The requests of one run.
struct Round {
    exchange: Exchange,
    /// So many aren't timed.
    warm_up: u64,
    all: u64,
    sent: u64,
    times: Vec<Duration>,
}

impl Round {
    /// Sends the next request, if there is one.
    fn ask(&mut self, line: &mut Line<TcpStream>) -> anyhow::Result<()> {
        if self.sent == self.all {
            return Ok(());
        }
        self.sent += 1;
        line.ask(self.exchange, self.sent - 1)
    }

    /// Takes what has come, and asks again if that completes an answer to what left at `sent`.
    fn answered(&mut self, line: &mut Line<TcpStream>, sent: &mut Instant) -> anyhow::Result<bool> {
        match line.take(self.exchange)? {
            Taken::Answer => {}
            Taken::NotYet => return Ok(false),
            Taken::Closed => bail!("a connection was closed"),
        }
        let now = Instant::now();
        if line.number() >= self.warm_up {
            self.times.push(now - *sent);
        }
        *sent = now;
        self.ask(line)?;
        Ok(true)
    }
}

/// What the load has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// From the end of the warm-up to the last answer.
    pub(super) wall: Duration,
    /// From a request to its answer, at the 99th percentile.
    pub(super) p99: Duration,
    /// CPU time of the load itself.
    pub(super) cpu: Duration,
}

impl Seen {
    fn to_line(self) -> String {
        let times = [self.wall, self.p99, self.cpu].map(|time| time.as_nanos().to_string());
        times.join(" ")
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        let times: Option<Vec<u64>> = line.split(' ').map(|word| word.parse().ok()).collect();
        let [wall, p99, cpu] = times?[..] else {
            return None;
        };
        Some(Self {
            wall: Duration::from_nanos(wall),
            p99: Duration::from_nanos(p99),
            cpu: Duration::from_nanos(cpu),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::watchdog;

    /// A server that answers on each connection, a thread each, until it says `None`.
    fn server(answer: fn(&[u8]) -> Option<Vec<Vec<u8>>>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                std::thread::spawn(move || {
                    let mut bytes = [0; 1024];
                    while let Ok(read) = stream.read(&mut bytes)
                        && read > 0
                        && let Some(pieces) = answer(&bytes[..read])
                    {
                        for piece in pieces {
                            if stream.write_all(&piece).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        port
    }

    fn load(
        exchange: Exchange,
        answer: fn(&[u8]) -> Option<Vec<Vec<u8>>>,
    ) -> anyhow::Result<(Seen, bool)> {
        let (tell, told) = std::sync::mpsc::channel();
        watchdog::run(move || {
            let args = LoadArgs::new(server(answer), 3, 50, exchange);
            let mut started = false;
            let seen = args.load(|| started = true);
            let _ = tell.send(seen.map(|seen| (seen, started)));
        });
        told.recv().expect("it has ended")
    }

    #[test]
    fn every_request_is_answered_and_timed() {
        let (seen, started) = load(Exchange::Echo, |bytes| {
            // In two pieces, which may come apart.
            let (a, b) = bytes.split_at(8);
            Some(vec![a.to_vec(), b.to_vec()])
        })
        .expect("right answers");
        assert!(started && seen.wall > Duration::ZERO && seen.p99 > Duration::ZERO);
        assert_eq!(Seen::from_line(&seen.to_line()), Some(seen));
        load(Exchange::Hello, |_| {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!";
            Some(vec![answer[..30].to_vec(), answer[30..].to_vec()])
        })
        .expect("right answers");
    }

    #[test]
    fn wrong_answers_and_closed_connections_are_errors() {
        let wrong = load(Exchange::Echo, |bytes| Some(vec![vec![b'x'; bytes.len()]]));
        assert!(wrong.is_err());
        const FAILURE: &[u8] = b"HTTP/1.1 500 Oh\r\n\r\nHello, world!";
        let wrong = load(Exchange::Hello, |_| Some(vec![FAILURE.to_vec()]));
        assert!(wrong.is_err());
        let closed = load(Exchange::Echo, |_| None).expect_err("closed");
        let text = format!("{closed:#}");
        assert!(
            text.contains("closed") || text.contains("receive"),
            "{text}"
        );
    }
}
