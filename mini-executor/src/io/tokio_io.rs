//! tokio's traits of streams, for protocol crates that are written against them. They need nothing
//! of tokio's runtime.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{TcpStream, stream::writing_half};

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

        writing_half!(AsyncWrite, $stream);
    )*};
}

tokio_io!(TcpStream);
#[cfg(unix)]
tokio_io!(super::UnixStream);
