//! The servers with a task a connection: the event loop of `mini-executor`, and tokio's.

use std::io;
use std::net::TcpListener;

use anyhow::Context as _;

use super::connection::ROOM;
use super::conversation::Conversation;
use crate::sockets::Exchange;

/// One connection, until its end; one that fails is over. A macro, since the two streams have the
/// same methods, but no trait in common.
macro_rules! converse {
    ($stream:ident, $exchange:ident) => {{
        let mut conversation = Conversation::new($exchange);
        let (mut room, mut out) = ([0; ROOM], Vec::new());
        while !conversation.is_over() {
            let Ok(read @ 1..) = $stream.read(&mut room).await else {
                return;
            };
            conversation.hear(&room[..read], &mut out);
            if $stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
        }
    }};
}

/// Serves every connection on `mini-executor`, for ever.
pub(super) fn on_mini_executor(
    listener: TcpListener,
    exchange: Exchange,
    cpus: usize,
) -> anyhow::Result<()> {
    let runtime = mini_executor::Runtime::builder().workers(cpus).build()?;
    let spawner = runtime.spawner();
    listener.set_nonblocking(true)?;
    let listener = mini_executor::io::TcpListener::from_std(&spawner, listener)?;
    let accept = async move {
        loop {
            use mini_executor::io::Stream as _;
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = async move { converse!(stream, exchange) };
            spawner.spawn(connection).detach();
        }
    };
    let ended: Result<io::Result<()>, _> = runtime.block_on(runtime.spawn(accept));
    let ended = ended.map_err(|error| anyhow::anyhow!("the server's task: {error}"))?;
    Ok(ended?)
}

/// The same on tokio.
pub(super) fn on_tokio(
    listener: TcpListener,
    exchange: Exchange,
    cpus: usize,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cpus)
        .enable_all()
        .build()
        .context("tokio could not start")?;
    listener.set_nonblocking(true)?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accept = async move {
            loop {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let (mut stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(async move { converse!(stream, exchange) });
            }
        };
        let ended: Result<io::Result<()>, _> = tokio::spawn(accept).await;
        Ok(ended??)
    })
}
