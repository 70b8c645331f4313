//! Echoes of many connections at once.

use std::{io, net::SocketAddr};

use anyhow::Context;
use mini_executor::{
    Runtime, Spawner,
    io::{Stream, TcpListener, TcpStream},
};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::accept::accept_all;

/// Descriptors that a process needs beside those of its connections.
const BESIDE: u64 = 64;
/// Bytes of a message.
const MESSAGE: usize = 32;
/// Connections that are made at once: a listener's queue holds a few thousand at most.
const CONNECTING: usize = 256;

/// Raises the limit of descriptors as far as it may go; returns the limit, and how many of
/// `wanted` connections one process can have under it.
pub fn connections(wanted: usize) -> (u64, usize) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // It may be refused; then what there is counts.
    let _ = setrlimit(Resource::Nofile, limit);
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(limit.saturating_sub(BESIDE)).unwrap_or(usize::MAX);
    (limit, wanted.min(most))
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 512];
    loop {
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            n => stream.write_all(&bytes[..n]).await?,
        }
    }
}

/// Echoes, for ever.
pub async fn server(spawner: Spawner, listener: TcpListener) {
    accept_all(&spawner, listener, |stream, _| {
        spawner.spawn(echo(stream)).detach();
    })
    .await;
}

/// Keeps `connections` open at once and has `rounds` messages echoed on each of them; returns how
/// many came back right.
///
/// # Errors
/// The first connection's that failed.
pub fn load(address: SocketAddr, connections: usize, rounds: usize) -> anyhow::Result<usize> {
    let runtime = Runtime::new()?;
    let spawner = runtime.spawner();
    runtime.block_on(async {
        let mut streams = Vec::with_capacity(connections);
        while streams.len() < connections {
            let some = CONNECTING.min(connections - streams.len());
            let connecting = (0..some).map(|_| TcpStream::connect(&spawner, address));
            streams.extend(futures_util::future::try_join_all(connecting).await?);
        }
        // Only now, so that all of them are there at the same time.
        let clients: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(n, stream)| {
                spawner.spawn(async move {
                    let mut back = [0; MESSAGE];
                    for round in 0..rounds {
                        let mut sent = [0; MESSAGE];
                        sent[..8].copy_from_slice(&(n as u64).to_le_bytes());
                        sent[8..16].copy_from_slice(&(round as u64).to_le_bytes());
                        stream.write_all(&sent).await?;
                        stream.read_exact(&mut back).await?;
                        if sent != back {
                            return Err(io::Error::other("an echo of something else"));
                        }
                    }
                    Ok(rounds)
                })
            })
            .collect();
        let mut right = 0;
        for client in clients {
            right += client.await.context("a client ended early")??;
        }
        Ok(right)
    })
}
