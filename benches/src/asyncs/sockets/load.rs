//! The load: one thread that keeps one request on its way on every connection.
//!
//! # Protocol
//! A connection's next request leaves when its answer has come, so never more than one is on its
//! way. The first ones warm up; then the word [`STARTED`] is printed, and the clock runs until the
//! last answer. Every request after the warm-up is timed, and at the end each is waited for: a
//! connection that was starved counts.
//!
//! Each answer is checked. A wrong one, a closed connection, or none for [`PATIENCE`], is an error.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mio::{Events, Interest, Poll, Token};

use crate::usage;

/// What is printed when the warm-up is over.
pub(super) const STARTED: &str = "started";

/// How long no answer at all is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events that are taken at once.
const EVENTS: usize = 1024;

/// Bytes of a message that is echoed.
const MESSAGE: usize = 64;

/// What a web server is asked.
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The end of what it answers.
const HELLO: &[u8] = b"\r\n\r\nHello, world!";

/// What is sent, and what has to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Exchange {
    /// Some bytes, and the same again.
    Echo,
    /// A request of HTTP/1.1, and a greeting.
    Hello,
}

impl Exchange {
    /// The bytes of a request.
    fn request(self, number: u64, room: &mut [u8; MESSAGE]) -> &[u8] {
        match self {
            Self::Echo => {
                for word in room.chunks_exact_mut(8) {
                    word.copy_from_slice(&number.to_le_bytes());
                }
                room
            }
            Self::Hello => GET,
        }
    }

    /// Whether all of its answer has come.
    fn is_whole(self, number: u64, answer: &[u8]) -> anyhow::Result<bool> {
        match self {
            Self::Echo => {
                let number = number.to_le_bytes();
                let right = answer.chunks(8).all(|word| number.starts_with(word));
                ensure!(right && answer.len() <= MESSAGE, "a wrong echo");
                Ok(answer.len() == MESSAGE)
            }
            Self::Hello => {
                let whole = answer.ends_with(HELLO);
                let right = !whole || answer.starts_with(b"HTTP/1.1 200 OK\r\n");
                ensure!(right && answer.len() < 512, "a wrong answer");
                Ok(whole)
            }
        }
    }
}

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
        let exchange = match self.exchange {
            Exchange::Echo => "echo",
            Exchange::Hello => "hello",
        };
        vec![
            "load".to_owned(),
            format!("--port={}", self.port),
            format!("--connections={}", self.connections),
            format!("--requests={}", self.requests),
            format!("--exchange={exchange}"),
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
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            let stream = stream.with_context(|| format!("connection {number}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let registry = poll.registry();
            registry.register(&mut stream, Token(number), Interest::READABLE)?;
            lines.push(Line {
                stream,
                number: 0,
                sent: Instant::now(),
                partial: Vec::new(),
            });
        }
        let warm_up = (self.requests / 5).max(self.connections as u64);
        let mut round = Round {
            exchange: self.exchange,
            warm_up,
            all: warm_up + self.requests,
            sent: 0,
            times: Vec::with_capacity(usize::try_from(self.requests)?),
        };
        for line in &mut lines {
            round.ask(line, Instant::now())?;
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
                let line = &mut lines[event.token().0];
                if !round.answered(line)? {
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

/// A connection.
struct Line {
    stream: mio::net::TcpStream,
    /// Of the request that is on its way.
    number: u64,
    /// When that one left.
    sent: Instant,
    /// What has come of its answer, where that came in pieces.
    partial: Vec<u8>,
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
    fn ask(&mut self, line: &mut Line, now: Instant) -> anyhow::Result<()> {
        if self.sent == self.all {
            return Ok(());
        }
        line.number = self.sent;
        line.sent = now;
        self.sent += 1;
        let mut room = [0; MESSAGE];
        let request = self.exchange.request(line.number, &mut room);
        // Nothing else is on its way, so there is room for all of it.
        let written = line.stream.write(request).context("could not send")?;
        ensure!(written == request.len(), "only {written} bytes were sent");
        Ok(())
    }

    /// Takes what has come, and asks again if that completes an answer.
    fn answered(&mut self, line: &mut Line) -> anyhow::Result<bool> {
        let mut bytes = [0; 1024];
        let read = match line.stream.read(&mut bytes) {
            Ok(0) => bail!("a connection was closed"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("could not receive"),
        };
        let whole = if line.partial.is_empty() {
            self.exchange.is_whole(line.number, &bytes[..read])?
        } else {
            line.partial.extend_from_slice(&bytes[..read]);
            self.exchange.is_whole(line.number, &line.partial)?
        };
        if !whole {
            if line.partial.is_empty() {
                line.partial.extend_from_slice(&bytes[..read]);
            }
            return Ok(false);
        }
        line.partial.clear();
        let now = Instant::now();
        if line.number >= self.warm_up {
            self.times.push(now - line.sent);
        }
        self.ask(line, now)?;
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
