//! Sockets of the local machine.

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read, Write},
    net::Shutdown,
    path::Path,
    task::{Context, Poll},
};

use exec_core::Threads;
use mio::Interest;

use super::{
    readiness::Way,
    source::Watched,
    stream::{Stream, futures_io},
};
use crate::spawner::Spawner;

/// Accepts local connections.
pub struct UnixListener(Watched<mio::net::UnixListener>);

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    /// The system's.
    pub fn bind<T: Threads>(spawner: &Spawner<T>, path: impl AsRef<Path>) -> io::Result<Self> {
        let listener = mio::net::UnixListener::bind(path)?;
        Watched::new(spawner, listener, Interest::READABLE).map(Self)
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let accept = |io: &mio::net::UnixListener| io.accept();
        let (stream, _) = poll_fn(|cx| self.0.poll_io(Way::In, cx, accept)).await?;
        Ok(UnixStream(self.0.accepted(stream)?))
    }
}

/// A local connection.
pub struct UnixStream(pub(super) Watched<mio::net::UnixStream>);

impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn connect<T: Threads>(
        spawner: &Spawner<T>,
        path: impl AsRef<Path>,
    ) -> io::Result<Self> {
        let stream = mio::net::UnixStream::connect(path)?;
        let stream = Watched::new(spawner, stream, Interest::READABLE | Interest::WRITABLE)?;
        poll_fn(|cx| {
            stream.poll_io(Way::Out, cx, |io| match io.take_error()? {
                Some(error) => Err(error),
                None => Ok(()),
            })
        })
        .await?;
        Ok(Self(stream))
    }

    /// Two streams that are connected with each other.
    ///
    /// # Errors
    /// The system's.
    pub fn pair<T: Threads>(spawner: &Spawner<T>) -> io::Result<(Self, Self)> {
        let (a, b) = mio::net::UnixStream::pair()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        Ok((
            Self(Watched::new(spawner, a, both)?),
            Self(Watched::new(spawner, b, both)?),
        ))
    }

    /// Ends reading, writing, or both.
    ///
    /// # Errors
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.io().shutdown(how)
    }
}

impl Stream for UnixStream {
    fn poll_read(&self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Way::In, to.len(), cx, |mut io: &mio::net::UnixStream| {
                io.read(to)
            })
    }
    fn poll_write(&self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_transfer(Way::Out, from.len(), cx, |mut io: &mio::net::UnixStream| {
                io.write(from)
            })
    }
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let most = from.iter().map(|slice| slice.len()).sum();
        self.0
            .poll_transfer(Way::Out, most, cx, |mut io: &mio::net::UnixStream| {
                io.write_vectored(from)
            })
    }
}

futures_io!(UnixStream);

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.io().fmt(f)
    }
}
