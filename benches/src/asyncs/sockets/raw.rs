//! The echo server that is nothing but a loop around `epoll`: what the system itself costs.
//!
//! Edge-triggered, one thread, no task and no waker. It reads once an event: an answer leaves no
//! request behind that was read only half, since each is shorter than the room.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpListener;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

/// Hands back what comes in on every connection, for ever.
pub(super) fn echo(listener: TcpListener) -> io::Result<()> {
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut room = [0; 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut streams)?;
                continue;
            }
            let place = &mut streams[event.token().0];
            let Some(stream) = place else { continue };
            let kept = match stream.read(&mut room) {
                Ok(0) => false,
                Ok(read) => stream.write_all(&room[..read]).is_ok(),
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            if !kept {
                *place = None;
            }
        }
    }
}

/// Takes all connections that wait.
fn accept(
    listener: &mio::net::TcpListener,
    poll: &Poll,
    streams: &mut Vec<Option<TcpStream>>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        poll.registry()
            .register(&mut stream, Token(streams.len()), Interest::READABLE)?;
        streams.push(Some(stream));
    }
}
