//! The server with a thread a connection.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use exec_core::Handle;

use super::connection::ROOM;
use super::conversation::Conversation;
use crate::sockets::Exchange;

/// Gives every connection of the listener to a thread, for ever; an error is the listener's.
///
/// A connection for which there is no thread is closed.
pub(super) fn run(listener: &TcpListener, exchange: Exchange, threads: &Handle) -> io::Result<()> {
    let mut refused_before = false;
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        // One that fails is over, as one that ends is.
        let connection = move || drop(serve(&stream, exchange));
        if let Err(refused) = threads.execute(connection)
            && !refused_before
        {
            refused_before = true;
            eprintln!("a connection was closed: {refused}");
        }
    }
}

/// One connection, until its end.
fn serve(mut stream: &TcpStream, exchange: Exchange) -> io::Result<()> {
    let mut conversation = Conversation::new(exchange);
    let (mut room, mut out) = ([0; ROOM], Vec::new());
    while !conversation.is_over() {
        let read = match stream.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        conversation.hear(&room[..read], &mut out);
        stream.write_all(&out)?;
        out.clear();
    }
    Ok(())
}
