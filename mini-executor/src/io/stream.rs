//! What all streams of bytes can do.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    task::{Context, Poll},
};

/// A two-way stream of bytes, used through a shared reference: one task may read while another
/// writes. Of two tasks that read at the same time, or write, only the later one is woken.
pub trait Stream: Sync {
    /// Reads into `to`.
    ///
    /// # Errors
    /// The system's.
    fn poll_read(&self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from `from`.
    ///
    /// # Errors
    /// The system's.
    fn poll_write(&self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes from the first of `from` that is not empty, or from several of them at once.
    ///
    /// # Errors
    /// The system's.
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = from.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    /// Reads what is there into `to`, and returns how much; 0 at the end of the stream.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    fn read(&self, to: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        poll_fn(move |cx| self.poll_read(cx, to))
    }

    /// Writes some of `from`, and returns how much.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Nothing was written when it is dropped before it returned.
    fn write(&self, from: &[u8]) -> impl Future<Output = io::Result<usize>> + Send {
        poll_fn(move |cx| self.poll_write(cx, from))
    }

    /// Fills all of `to`.
    ///
    /// # Errors
    /// The system's, or `UnexpectedEof` when the stream ends first.
    ///
    /// # Cancel safety
    /// What was read is lost when it is dropped before it returned.
    fn read_exact(&self, to: &mut [u8]) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            let (mut done, wanted) = (0, to.len());
            while done < wanted {
                match self.read(&mut to[done..]).await? {
                    0 => {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            ReadExactError { done, wanted },
                        ));
                    }
                    n => done += n,
                }
            }
            Ok(())
        }
    }

    /// Writes all of `from`.
    ///
    /// # Errors
    /// The system's, or `WriteZero` when the stream takes nothing more.
    ///
    /// # Cancel safety
    /// Part of it may have been written when it is dropped before it returned.
    fn write_all(&self, from: &[u8]) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            let mut left = from;
            while !left.is_empty() {
                match self.write(left).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    n => left = &left[n..],
                }
            }
            Ok(())
        }
    }
}

/// A stream ended before it had given as many bytes as were wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadExactError {
    /// Bytes that came.
    pub done: usize,
    /// Bytes that were wanted.
    pub wanted: usize,
}

impl fmt::Display for ReadExactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the stream ended after {} of {} bytes",
            self.done, self.wanted
        )
    }
}

impl std::error::Error for ReadExactError {}

/// Gives a stream type the traits of `futures-io`.
macro_rules! futures_io {
    ($stream:ty) => {
        futures_io!(@read $stream);
        futures_io!(@read &$stream);
    };
    (@read $stream:ty) => {
        impl futures_io::AsyncRead for $stream {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                to: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::Stream::poll_read(&*self, cx, to)
            }
        }

        impl futures_io::AsyncWrite for $stream {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                from: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::Stream::poll_write(&*self, cx, from)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                from: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::Stream::poll_write_vectored(&*self, cx, from)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.shutdown(std::net::Shutdown::Write))
            }
        }
    };
}
pub(crate) use futures_io;

/// Gives a stream type the writing half of tokio's traits or of hyper's, which have the same methods.
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
macro_rules! writing_half {
    ($half:path, $stream:ty) => {
        impl $half for $stream {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                from: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::Stream::poll_write(&*self, cx, from)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                from: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::Stream::poll_write_vectored(&*self, cx, from)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.shutdown(std::net::Shutdown::Write))
            }
        }
    };
}
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
pub(crate) use writing_half;

impl<S: Stream> Stream for &S {
    fn poll_read(&self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, to)
    }
    fn poll_write(&self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        (**self).poll_write(cx, from)
    }
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        (**self).poll_write_vectored(cx, from)
    }
}
