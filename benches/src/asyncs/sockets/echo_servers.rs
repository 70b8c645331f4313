//! The echo servers, each as its runtime's users write it: a task a connection, 1 KiB of room.

use std::future::Future;
use std::io;
use std::net::TcpListener;

use super::super::subjects::{Ours, Runtime, Tokio};

/// What a connection is read into.
const ROOM: usize = 1024;

/// A runtime that can serve.
pub(super) trait Echo: Runtime {
    /// Hands back what comes in on every connection, for ever; an error is the listener's.
    fn echo(self, listener: TcpListener) -> impl Future<Output = io::Result<()>>;
}

impl Echo for Ours {
    async fn echo(self, listener: TcpListener) -> io::Result<()> {
        let spawner = self.0.spawner();
        let listener = mini_executor::io::TcpListener::from_std(&spawner, listener)?;
        let accept = async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let connection = async move {
                    use mini_executor::io::Stream as _;
                    let mut room = [0; ROOM];
                    // One that fails is over, as one that ends is.
                    while let Ok(read @ 1..) = stream.read(&mut room).await
                        && stream.write_all(&room[..read]).await.is_ok()
                    {}
                };
                spawner.spawn(connection).detach();
            }
        };
        self.spawn(accept).await
    }
}

impl<const MANY: bool> Echo for Tokio<MANY> {
    async fn echo(self, listener: TcpListener) -> io::Result<()> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accept = async move {
            loop {
                let (mut stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(async move {
                    let mut room = [0; ROOM];
                    while let Ok(read @ 1..) = stream.read(&mut room).await
                        && stream.write_all(&room[..read]).await.is_ok()
                    {}
                });
            }
        };
        self.spawn(accept).await
    }
}

#[cfg(feature = "async-peers")]
impl Echo for super::super::peers::Smol {
    async fn echo(self, listener: TcpListener) -> io::Result<()> {
        use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = async_io::Async::new_nonblocking(listener)?;
        let accept = async move {
            loop {
                let (mut stream, _) = listener.accept().await?;
                stream.get_ref().set_nodelay(true)?;
                let connection = async move {
                    let mut room = [0; ROOM];
                    while let Ok(read @ 1..) = stream.read(&mut room).await
                        && stream.write_all(&room[..read]).await.is_ok()
                    {}
                };
                Self::detach(self.spawn(connection));
            }
        };
        self.spawn(accept).await
    }
}

#[cfg(feature = "monoio")]
impl Echo for super::super::uring::Monoio {
    async fn echo(self, listener: TcpListener) -> io::Result<()> {
        use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};
        let listener = monoio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            monoio::spawn(async move {
                let mut room = Vec::with_capacity(ROOM);
                loop {
                    let (read, filled) = stream.read(room).await;
                    let Ok(1..) = read else { return };
                    let (written, mut filled) = stream.write_all(filled).await;
                    if written.is_err() {
                        return;
                    }
                    filled.clear();
                    room = filled;
                }
            });
        }
    }
}
