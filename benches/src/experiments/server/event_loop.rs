//! A loop around `epoll` on one thread: what each process of the prefork server runs.

use std::io::{self, ErrorKind};
use std::net::TcpListener;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::connection::Connection;
use crate::sockets::Exchange;

/// The listener's token; the connections' are their places.
pub(super) const LISTENER: Token = Token(usize::MAX);

/// Events that are taken at once.
pub(super) const EVENTS: usize = 1024;

/// Serves every connection of the listener, for ever; an error is the listener's.
pub(super) fn run(listener: TcpListener, exchange: Exchange) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut places: Vec<Option<Connection<TcpStream>>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(EVENTS);
    loop {
        wait(&mut poll, &mut events)?;
        for event in &events {
            if event.token() == LISTENER {
                accept_all(&listener, |mut stream| {
                    let at = free.pop().unwrap_or(places.len());
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(at), both)?;
                    let connection = Some(Connection::new(stream, exchange));
                    match places.get_mut(at) {
                        Some(place) => *place = connection,
                        None => places.push(connection),
                    }
                    Ok(())
                })?;
                continue;
            }
            let at = event.token().0;
            // An event of one that is over may still be in the list.
            if let Some(connection) = &mut places[at]
                && !connection.serve(event.is_read_closed())
            {
                places[at] = None;
                free.push(at);
            }
        }
    }
}

/// Waits for events.
pub(super) fn wait(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    loop {
        match poll.poll(events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Takes all connections that wait.
pub(super) fn accept_all(
    listener: &mio::net::TcpListener,
    mut take: impl FnMut(TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nodelay(true)?;
                take(stream)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // Whoever gave up meanwhile is nobody's fault.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
