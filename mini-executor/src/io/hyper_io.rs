//! hyper's traits of streams: a connection needs no adapter around it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::{TcpStream, stream::writing_half};

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

        writing_half!(Write, $stream);
    )*};
}

hyper_io!(TcpStream);
#[cfg(unix)]
hyper_io!(super::UnixStream);
