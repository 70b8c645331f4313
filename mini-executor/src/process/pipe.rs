//! The parent's ends of a child's pipes.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    vec::Vec,
};

use exec_core::Threads;

use crate::{io::AsyncFd, spawner::Spawner};

/// The parent's end of a pipe that the child writes into.
pub struct PipeReader(AsyncFd<OwnedFd>);

/// The parent's end of a pipe that the child reads from. The child sees the end of its input when
/// this is dropped.
pub struct PipeWriter(AsyncFd<OwnedFd>);

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

    /// Reads what is there into `to`, and returns how much; 0 when all writers are gone.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0
            .read_with(|from| Ok(rustix::io::read(from, &mut *to)?))
            .await
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
        pipe(spawner, end, AsyncFd::for_writing).map(Self)
    }

    /// Writes some of `from`, and returns how much.
    ///
    /// # Errors
    /// The system's; `BrokenPipe` when the child reads no more.
    ///
    /// # Cancel safety
    /// Nothing was written when it is dropped before it returned.
    pub async fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0
            .write_with(|to| Ok(rustix::io::write(to, from)?))
            .await
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
            .field(&self.0.get_ref().as_fd())
            .finish()
    }
}
