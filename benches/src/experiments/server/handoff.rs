//! The servers of the pools: one thread waits for all connections, and hands those on which there is
//! something to do to the pool.
//!
//! A bounded pool can't hold a connection a worker: with more connections than workers, those who
//! are connected first would keep all of them.
//!
//! # States
//! Of a connection's [`Turn`], under its lock:
//! * `Idle`: no job of it is in the pool. Set by its job, when nothing came meanwhile.
//! * `Busy`: one job of it is in the pool, queued or running. Set by the loop that schedules it.
//! * `Again`: as `Busy`, and there was an event since the job has last looked. Set by the loop, and
//!   back to `Busy` by the job, before it looks again.
//!
//! # Protocol
//! 1. The loop takes an edge, notes whether it told of the end of the input, and schedules a job
//!    where the turn was `Idle`.
//! 2. The job serves the connection until it would have to wait, then looks at the turn: `Again` sends
//!    it back to serving, `Busy` becomes `Idle` and ends it.
//! 3. A connection that is over is dropped by its job, which gives its place back. The loop may have
//!    an event of it left, or a late one for the place's next connection: either costs a look.
//!
//! # Why nothing is lost
//! An edge is taken under the same lock under which the job ends. Either it comes first, and the job
//! looks again, or it finds `Idle`, and there is a new job. So at any time at most one job serves a
//! connection, and one does after each edge.
//!
//! # Shutdown
//! None: a server ends with its process.

use std::io;
use std::net::TcpListener;

use exec_core::Handle;
use exec_core::sync::{Arc, Mutex};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::connection::Connection;
use super::event_loop::{EVENTS, LISTENER, accept_all, wait};
use crate::sockets::Exchange;

/// Whether a connection has a job in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Idle,
    Busy,
    Again,
}

#[derive(Debug, Default)]
struct State {
    turn: Turn,
    /// Whether an event has told of the end of the input.
    ended: bool,
}

/// A connection, and whose turn it is.
#[derive(Debug)]
struct Seat {
    state: Mutex<State>,
    /// Locked by the connection's job, of which there is one at the most; `None` once it is over.
    connection: Mutex<Option<Connection<TcpStream>>>,
}

impl Seat {
    fn new(connection: Connection<TcpStream>) -> Self {
        Self {
            state: Mutex::new(State::default()),
            connection: Mutex::new(Some(connection)),
        }
    }

    /// Takes an event; true where a job has to be scheduled for it.
    #[must_use]
    fn event(&self, ended: bool) -> bool {
        let mut state = self.state.lock();
        state.ended |= ended;
        let was = state.turn;
        state.turn = match was {
            Turn::Idle => Turn::Busy,
            Turn::Busy | Turn::Again => Turn::Again,
        };
        was == Turn::Idle
    }

    /// Serves what has come, as a job; false where that ends the connection.
    fn work(&self) -> bool {
        let mut place = self.connection.lock();
        loop {
            let ended = self.state.lock().ended;
            if let Some(connection) = &mut *place
                && !connection.serve(ended)
            {
                *place = None;
                return false;
            }
            let mut state = self.state.lock();
            if state.turn == Turn::Again {
                state.turn = Turn::Busy;
                continue;
            }
            state.turn = Turn::Idle;
            return true;
        }
    }
}

/// Serves every connection of the listener, for ever; an error is the listener's.
pub(super) fn run(listener: TcpListener, exchange: Exchange, pool: &Handle) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut seats: Vec<Arc<Seat>> = Vec::new();
    let free = Arc::new(Mutex::new(Vec::new()));
    let mut events = Events::with_capacity(EVENTS);
    loop {
        wait(&mut poll, &mut events)?;
        for event in &events {
            if event.token() == LISTENER {
                accept_all(&listener, |mut stream| {
                    let at = free.lock().pop().unwrap_or(seats.len());
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(at), both)?;
                    let seat = Arc::new(Seat::new(Connection::new(stream, exchange)));
                    match seats.get_mut(at) {
                        Some(place) => *place = seat,
                        None => seats.push(seat),
                    }
                    Ok(())
                })?;
                continue;
            }
            let at = event.token().0;
            if !seats[at].event(event.is_read_closed()) {
                continue;
            }
            let (seat, free) = (Arc::clone(&seats[at]), Arc::clone(&free));
            let job = move || {
                if !seat.work() {
                    free.lock().push(at);
                }
            };
            if let Err(refused) = pool.execute(job) {
                return Err(io::Error::other(refused.to_string()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::Ipv4Addr;

    use super::*;
    use crate::watchdog;

    fn pair() -> (std::net::TcpStream, Seat) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        let (server, _) = listener.accept().expect("a connection");
        server.set_nonblocking(true).expect("a socket");
        let connection = Connection::new(TcpStream::from_std(server), Exchange::Echo);
        (client, Seat::new(connection))
    }

    #[test]
    fn an_event_during_a_job_is_looked_at() {
        watchdog::run(|| {
            let (mut client, seat) = pair();
            assert!(seat.event(false), "the first one is a job");
            assert!(!seat.event(false), "the second one is the same job's");
            client.write_all(b"abc").expect("room");
            assert!(seat.work());
            assert_eq!(seat.state.lock().turn, Turn::Idle);
            let mut bytes = [0; 3];
            client.read_exact(&mut bytes).expect("an echo");
            assert_eq!(&bytes, b"abc");
            assert!(seat.event(false), "a new job after the last has ended");
        });
    }

    #[test]
    fn a_connection_that_ends_is_over() {
        let (client, seat) = pair();
        drop(client);
        assert!(seat.event(true));
        assert!(!seat.work());
        assert!(seat.connection.lock().is_none());
        // What an event in the same list leaves behind.
        assert!(!seat.event(true));
    }
}
