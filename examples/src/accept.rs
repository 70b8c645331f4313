//! Accepting connections for ever.

use std::{io, net::SocketAddr, time::Duration};

use mini_executor::{
    Spawner,
    io::{TcpListener, TcpStream},
};

/// How long to wait when the system has no descriptor for a connection: it may have one again
/// when another connection has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `serve` with each connection. Errors of one connection, and want of descriptors, are said
/// and survived.
pub async fn accept_all(
    spawner: &Spawner,
    listener: TcpListener,
    serve: impl Fn(TcpStream, SocketAddr),
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and somebody waits for them.
                let _ = stream.set_nodelay(true);
                serve(stream, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                eprintln!("could not accept a connection: {error}; trying again");
                spawner.sleep(PAUSE).await;
            }
        }
    }
}
