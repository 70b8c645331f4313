//! A socket and its place in the reactor.

use std::{
    io,
    task::{Context, Poll},
};

use exec_core::{Threads, sync::Arc};
use kernel_bridge::Host;
use mio::{Interest, event};

use super::{
    reactor::{Place, Reactor},
    readiness::{Seen, WRITABLE, Way},
};
use crate::{coop, spawner::Spawner};

/// Whether a transfer that was shorter than it might have been has emptied, or filled, the socket,
/// so that the next event comes without another try. It is so with epoll and kqueue.
const SHORT_IS_LAST: bool = cfg!(unix);

/// A socket that the reactor watches.
pub(crate) struct Watched<S: event::Source> {
    /// Always there, but in `into_io` after the farewell.
    io: Option<S>,
    place: Place,
    reactor: Arc<Reactor>,
}

impl<S: event::Source> Watched<S> {
    pub(crate) fn new<T: Threads>(
        spawner: &Spawner<T>,
        mut io: S,
        interest: Interest,
    ) -> io::Result<Self> {
        let reactor = spawner.0.driver.reactor.clone();
        let place = reactor.register(&mut io, interest, 0)?;
        // A worker that parked before there was a source sits on its own token: let one look.
        spawner.0.idle.post();
        Ok(Self {
            io: Some(io),
            place,
            reactor,
        })
    }

    /// Another socket in the same reactor, a connection that was just accepted: whatever it may
    /// have to read, it can be written to.
    pub(crate) fn accepted<O: event::Source>(&self, mut io: O) -> io::Result<Watched<O>> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let place = self.reactor.register(&mut io, both, WRITABLE)?;
        Ok(Watched {
            io: Some(io),
            place,
            reactor: self.reactor.clone(),
        })
    }

    pub(crate) fn io(&self) -> &S {
        self.io
            .as_ref()
            .expect("invariant: it is only taken at the end")
    }

    /// Takes the socket back, which is no longer watched.
    pub(crate) fn into_io(mut self) -> S {
        self.leave()
            .expect("invariant: it is only taken at the end")
    }

    fn leave(&mut self) -> Option<S> {
        let mut io = self.io.take()?;
        self.reactor.deregister(&mut io, &self.place);
        Some(io)
    }

    /// Waits until it is ready for `way`.
    pub(crate) fn poll_ready(&self, way: Way, cx: &mut Context<'_>) -> Poll<Seen> {
        self.place.readiness.poll_ready(way, cx)
    }

    /// What was seen has passed.
    pub(crate) fn clear(&self, way: Way, seen: Seen) {
        self.place.readiness.clear(way, seen);
    }

    /// Tries `operation` whenever the socket is ready for it, until it does not block.
    pub(crate) fn poll_io<R>(
        &self,
        way: Way,
        cx: &mut Context<'_>,
        operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_until(way, cx, |_| false, operation)
    }

    /// As [`poll_io`](Self::poll_io) for transfers of bytes up to `most`: one that was shorter has
    /// emptied (or filled) the socket, so that the next need not find out by a system call.
    pub(crate) fn poll_transfer(
        &self,
        way: Way,
        most: usize,
        cx: &mut Context<'_>,
        operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let is_last = |n: &usize| SHORT_IS_LAST && 0 < *n && *n < most;
        self.poll_until(way, cx, is_last, operation)
    }

    fn poll_until<R>(
        &self,
        way: Way,
        cx: &mut Context<'_>,
        is_last: impl Fn(&R) -> bool,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        coop::proceed::<Host, _>(cx, |cx| {
            loop {
                let seen = std::task::ready!(self.poll_ready(way, cx));
                match operation(self.io()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.clear(way, seen);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => {
                        if result.as_ref().is_ok_and(&is_last) {
                            self.clear(way, seen);
                        }
                        return Poll::Ready(result);
                    }
                }
            }
        })
    }
}

#[cfg(all(unix, any(feature = "tokio-io", feature = "hyper")))]
impl<S: event::Source + std::os::fd::AsFd> Watched<S> {
    /// Reads into memory that need not have been written to; says how many bytes are now.
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        to: &mut [std::mem::MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.poll_transfer(Way::In, to.len(), cx, |io| {
            let (read, _) = rustix::io::read(io, &mut *to)?;
            Ok(read.len())
        })
    }
}

#[cfg(all(not(unix), any(feature = "tokio-io", feature = "hyper")))]
impl<S: event::Source> Watched<S>
where
    for<'a> &'a S: io::Read,
{
    /// Reads into memory that need not have been written to; says how many bytes are now.
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        to: &mut [std::mem::MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = [0; 4096];
        let most = to.len().min(bytes.len());
        self.poll_transfer(Way::In, most, cx, |mut io| {
            let n = io::Read::read(&mut io, &mut bytes[..most])?;
            for (to, byte) in to.iter_mut().zip(&bytes[..n]) {
                to.write(*byte);
            }
            Ok(n)
        })
    }
}

impl<S: event::Source> Drop for Watched<S> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

/// Lends out the descriptor of a socket type.
#[cfg(unix)]
macro_rules! descriptor {
    ($($socket:ty),*) => {$(
        /// For the options that have no method here, by `rustix` or `socket2`. It is watched by the
        /// reactor: do not close it, and leave it not blocking.
        impl std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.io().as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.0.io().as_raw_fd()
            }
        }
    )*};
}
#[cfg(unix)]
pub(crate) use descriptor;
