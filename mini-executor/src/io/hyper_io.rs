//! hyper's traits of streams: a connection needs no adapter around it.

use std::{
    io,
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::{Stream, TcpStream};

/// Gives a stream type hyper's traits.
macro_rules! hyper_io {
    ($($stream:ty),*) => {$(
        impl Read for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                mut to: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: only written to, by `poll_read_uninit`.
                let unfilled = unsafe { to.as_mut() };
                let n = ready!(self.0.poll_read_uninit(cx, unfilled))?;
                // SAFETY: that many bytes have been read into it.
                unsafe { to.advance(n) };
                Poll::Ready(Ok(()))
            }
        }

        impl Write for $stream {
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

hyper_io!(TcpStream);
#[cfg(unix)]
hyper_io!(super::UnixStream);
