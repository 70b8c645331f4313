//! The parent's ends of a child's pipes, with the traits of `futures-io` and, by feature, tokio's.

#[cfg(feature = "tokio-io")]
use std::task::ready;
use std::{
    fmt,
    future::poll_fn,
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
    vec::Vec,
};

use exec_core::Threads;
use futures_io::{AsyncRead, AsyncWrite};

use crate::{io::AsyncFd, spawner::Spawner};

/// The parent's end of a pipe that the child writes into.
///
/// # Examples
/// What a child writes, line by line:
/// ```
/// use std::process::{Command, Stdio};
/// use futures_util::{AsyncBufReadExt, StreamExt, io::BufReader};
/// use mini_executor::{Runtime, process::Child};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new()?;
/// let spawner = runtime.spawner();
/// let mut command = Command::new("printf");
/// command.arg("one\ntwo\n").stdout(Stdio::piped());
/// let seen = runtime.block_on(async {
///     let mut child = Child::spawn(&spawner, command).await?;
///     let stdout = child.stdout.take().expect("it is piped");
///     let mut lines = BufReader::new(stdout).lines();
///     let mut seen = Vec::new();
///     while let Some(line) = lines.next().await {
///         seen.push(line?);
///     }
///     child.wait().await?;
///     Ok::<_, std::io::Error>(seen)
/// })?;
/// assert_eq!(seen, ["one", "two"]);
/// # Ok(()) }
/// ```
pub struct PipeReader(AsyncFd<OwnedFd>);

/// The parent's end of a pipe that the child reads from. The child sees the end of its input when
/// this is dropped, or closed by `AsyncWriteExt::close` (tokio's `shutdown`).
///
/// Nothing is kept back, so there is nothing to flush.
pub struct PipeWriter(
    /// `None` once it was closed.
    Option<AsyncFd<OwnedFd>>,
);

fn pipe<T: Threads>(
    spawner: &Spawner<T>,
    end: impl Into<OwnedFd>,
    watch: impl Fn(&Spawner<T>, OwnedFd) -> io::Result<AsyncFd<OwnedFd>>,
) -> io::Result<AsyncFd<OwnedFd>> {
    let end = end.into();
    rustix::io::ioctl_fionbio(&end, true)?;
    watch(spawner, end)
}

impl PipeReader {
    pub(super) fn new<T: Threads>(
        spawner: &Spawner<T>,
        end: impl Into<OwnedFd>,
    ) -> io::Result<Self> {
        pipe(spawner, end, AsyncFd::for_reading).map(Self)
    }

    fn poll_some(&self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0
            .poll_read_with(cx, |from| Ok(rustix::io::read(from, &mut *to)?))
    }

    /// Reads what is there into `to`, and returns how much; 0 when all writers are gone.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_some(cx, to)).await
    }

    /// Reads all until the writers are gone.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// What it has read is lost when it is dropped before it returned.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            match self.read(&mut bytes).await? {
                0 => return Ok(all),
                n => all.extend_from_slice(&bytes[..n]),
            }
        }
    }
}

impl PipeWriter {
    pub(super) fn new<T: Threads>(
        spawner: &Spawner<T>,
        end: impl Into<OwnedFd>,
    ) -> io::Result<Self> {
        pipe(spawner, end, AsyncFd::for_writing).map(|end| Self(Some(end)))
    }

    fn poll_some(&self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Some(end) => end.poll_write_with(cx, |to| Ok(rustix::io::write(to, from)?)),
            None => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the pipe was closed at this end; write before it is",
            ))),
        }
    }

    fn close(&mut self) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }

    /// Writes some of `from`, and returns how much.
    ///
    /// # Errors
    /// The system's; `BrokenPipe` when the child reads no more.
    ///
    /// # Cancel safety
    /// Nothing was written when it is dropped before it returned.
    pub async fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_some(cx, from)).await
    }

    /// Writes all of `from`.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// Part of it may have been written when it is dropped before it returned.
    pub async fn write_all(&mut self, mut from: &[u8]) -> io::Result<()> {
        while !from.is_empty() {
            let n = self.write(from).await?;
            from = &from[n..];
        }
        Ok(())
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_some(cx, to)
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_some(cx, from)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close()
    }
}

#[cfg(feature = "tokio-io")]
impl tokio::io::AsyncRead for PipeReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(self.poll_some(cx, to.initialize_unfilled()))?;
        to.advance(n);
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio-io")]
impl tokio::io::AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_some(cx, from)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close()
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeReader")
            .field(&self.0.get_ref().as_fd())
            .finish()
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeWriter")
            .field(&self.0.as_ref().map(|end| end.get_ref().as_fd()))
            .finish()
    }
}
