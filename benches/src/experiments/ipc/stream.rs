//! Pipes and sockets: streams of bytes, on which a message is as many bytes as both sides know.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anyhow::Context as _;

use super::link::{End, Far};

/// An end that reads from one descriptor and writes to another, or to the same.
struct Streams<R, W> {
    from: R,
    to: W,
}

impl<R: Read + Send, W: Write + Send> End for Streams<R, W> {
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.to.write_all(message).context("could not send")
    }

    fn receive(&mut self, message: &mut [u8]) -> anyhow::Result<()> {
        self.from.read_exact(message).context("could not receive")
    }
}

/// A pipe there and a pipe back.
pub(super) fn pipes() -> anyhow::Result<(Box<dyn End>, Far)> {
    let (theirs, to) = io::pipe()?;
    let (from, back) = io::pipe()?;
    let far = Far {
        input: Some(theirs.into()),
        output: Some(back.into()),
        ..Far::default()
    };
    Ok((Box::new(Streams { from, to }), far))
}

/// A pair of Unix sockets.
pub(super) fn unix() -> anyhow::Result<(Box<dyn End>, Far)> {
    let (near, far) = UnixStream::pair()?;
    socket(near.into(), far.into())
}

/// A connection on a port that is free.
pub(super) fn tcp() -> anyhow::Result<(Box<dyn End>, Far)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
    }
    socket(near.into(), far.into())
}

fn socket(near: OwnedFd, far: OwnedFd) -> anyhow::Result<(Box<dyn End>, Far)> {
    let far = Far {
        input: Some(far),
        ..Far::default()
    };
    Ok((Box::new(both(near)?), far))
}

/// One descriptor for both directions. A file reads and writes any of them, by the same calls.
fn both(descriptor: OwnedFd) -> anyhow::Result<impl End + use<>> {
    let to = File::from(descriptor);
    let from = to.try_clone()?;
    Ok(Streams { from, to })
}

pub(super) fn open_socket(far: Far) -> anyhow::Result<impl End> {
    both(far.input.context("a socket is needed")?)
}

pub(super) fn open_pipes(far: Far) -> anyhow::Result<impl End> {
    Ok(Streams {
        from: File::from(far.input.context("a pipe to read from is needed")?),
        to: File::from(far.output.context("a pipe to write to is needed")?),
    })
}
