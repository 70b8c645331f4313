//! tokio's traits of streams, for protocol crates that are written against them. They need nothing
//! of tokio's runtime.

use std::{
    io,
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Stream, TcpStream};

/// Gives a stream type tokio's traits.
macro_rules! tokio_io {
    ($($stream:ty),*) => {$(
        impl AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                to: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: only written to, by `poll_read_uninit`.
                let unfilled = unsafe { to.unfilled_mut() };
                let n = ready!(self.0.poll_read_uninit(cx, unfilled))?;
                // SAFETY: that many bytes have been read into it.
                unsafe { to.assume_init(n) };
                to.advance(n);
                Poll::Ready(Ok(()))
            }
        }

        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                from: &[u8],
            ) -> Poll<io::Result<usize>> {
                Stream::poll_write(&*self, cx, from)
            }
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                from: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Stream::poll_write_vectored(&*self, cx, from)
            }
            fn is_write_vectored(&self) -> bool {
                true
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.shutdown(Shutdown::Write))
            }
        }
    )*};
}

tokio_io!(TcpStream);
#[cfg(unix)]
tokio_io!(super::UnixStream);
