//! One socket in the reactor: what it is ready for, and who waits for that.
//!
//! # States
//! A word with four bits (readable, writable, and each "for good" once the peer has closed) and a
//! count of events above them.
//!
//! # Protocol
//! * Reactor: exchanges the word for one with the event's bits and one more event, and wakes.
//! * Task: tries the operation if the bit is set. If the system says that it would block, the task
//!   clears the bit, but only if there was no event since it read the word. If the bit is clear,
//!   it leaves its waker and looks again.
//!
//! # Why nothing is lost
//! An event between a try and the clearing changes the count, so the bit stays. An event between a
//! look and the waker's arrival is seen by the second look.

use std::{io, task::Context, task::Poll};

use exec_core::sync::{
    Arc,
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire},
    },
};
use futures_util::task::AtomicWaker;
use mio::{Interest, Token, event};

use super::reactor::Reactor;
use crate::{coop, spawner::Spawner};
use exec_core::Threads;
use kernel_bridge::Host;

/// Something can be read.
const READABLE: u32 = 1 << 0;
/// Something can be written.
const WRITABLE: u32 = 1 << 1;
/// The peer writes no more: reading never blocks again.
const READ_CLOSED: u32 = 1 << 2;
/// The peer reads no more: writing never blocks again.
const WRITE_CLOSED: u32 = 1 << 3;
/// One event. The count wraps after 2²⁸ events, all of which would have to come between a task's
/// try and its clearing for one to be missed.
const EVENT: u32 = 1 << 4;

/// Which way an operation goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// It reads, or accepts.
    In,
    /// It writes, or connects.
    Out,
}

impl Way {
    const fn mask(self) -> u32 {
        match self {
            Self::In => READABLE | READ_CLOSED,
            Self::Out => WRITABLE | WRITE_CLOSED,
        }
    }

    const fn passing(self) -> u32 {
        match self {
            Self::In => READABLE,
            Self::Out => WRITABLE,
        }
    }
}

/// See the module head.
pub(crate) struct Source {
    token: Token,
    word: AtomicU32,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Source {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            token,
            word: AtomicU32::new(0),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    /// The bits that an event stands for.
    pub(crate) fn bits(event: &event::Event) -> u32 {
        let mut bits = 0;
        if event.is_readable() {
            bits |= READABLE;
        }
        if event.is_writable() {
            bits |= WRITABLE;
        }
        if event.is_read_closed() {
            bits |= READ_CLOSED;
        }
        if event.is_write_closed() {
            bits |= WRITE_CLOSED;
        }
        if event.is_error() {
            bits |= READABLE | WRITABLE;
        }
        bits
    }

    /// Reactor: an event came.
    pub(crate) fn set_ready(&self, bits: u32) {
        // ORDERING: Release publishes the event to `Acquire` looks of the tasks.
        let _ = self.word.fetch_update(AcqRel, Acquire, |word| {
            Some((word | bits).wrapping_add(EVENT))
        });
        if bits & Way::In.mask() != 0 {
            self.reader.wake();
        }
        if bits & Way::Out.mask() != 0 {
            self.writer.wake();
        }
    }

    /// The word, once it is ready for `way`.
    fn poll_ready(&self, way: Way, cx: &mut Context<'_>) -> Poll<u32> {
        let word = self.word.load(Acquire);
        if word & way.mask() != 0 {
            return Poll::Ready(word);
        }
        match way {
            Way::In => self.reader.register(cx.waker()),
            Way::Out => self.writer.register(cx.waker()),
        }
        let word = self.word.load(Acquire);
        if word & way.mask() != 0 {
            return Poll::Ready(word);
        }
        Poll::Pending
    }

    /// Task: found it not ready, having seen `word` before.
    fn clear_ready(&self, way: Way, word: u32) {
        // A failure means that there was an event, or that the other way was cleared; then the
        // bit stays, and the next try finds out.
        let _ = self
            .word
            .compare_exchange(word, word & !way.passing(), AcqRel, Acquire);
    }
}

/// A socket and its place in the reactor.
pub(crate) struct Watched<S: event::Source> {
    io: S,
    source: Arc<Source>,
    reactor: Arc<Reactor>,
}

impl<S: event::Source> Watched<S> {
    pub(crate) fn new<T: Threads>(
        spawner: &Spawner<T>,
        mut io: S,
        interest: Interest,
    ) -> io::Result<Self> {
        let reactor = spawner.0.driver.reactor.clone();
        let source = reactor.register(&mut io, interest)?;
        // A worker that parked before there was a source sits on its own token: let one look.
        spawner.0.idle.post();
        Ok(Self {
            io,
            source,
            reactor,
        })
    }

    /// Another socket in the same reactor.
    pub(crate) fn beside<O: event::Source>(
        &self,
        mut io: O,
        interest: Interest,
    ) -> io::Result<Watched<O>> {
        let source = self.reactor.register(&mut io, interest)?;
        Ok(Watched {
            io,
            source,
            reactor: self.reactor.clone(),
        })
    }

    pub(crate) fn io(&self) -> &S {
        &self.io
    }

    /// Tries `operation` whenever the socket is ready for it, until it does not block.
    pub(crate) fn poll_io<R>(
        &self,
        way: Way,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        coop::proceed::<Host, _>(cx, |cx| {
            loop {
                let word = match self.source.poll_ready(way, cx) {
                    Poll::Ready(word) => word,
                    Poll::Pending => return Poll::Pending,
                };
                match operation(&self.io) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.source.clear_ready(way, word);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Poll::Ready(result),
                }
            }
        })
    }

    /// As [`poll_io`](Self::poll_io) for transfers of bytes up to `most`: one that was shorter has
    /// emptied (or filled) the socket, so that the next need not find out by a system call.
    pub(crate) fn poll_transfer(
        &self,
        way: Way,
        most: usize,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        coop::proceed::<Host, _>(cx, |cx| {
            loop {
                let word = match self.source.poll_ready(way, cx) {
                    Poll::Ready(word) => word,
                    Poll::Pending => return Poll::Pending,
                };
                match operation(&self.io) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.source.clear_ready(way, word);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(n) => {
                        if 0 < n && n < most {
                            self.source.clear_ready(way, word);
                        }
                        return Poll::Ready(Ok(n));
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
    }
}

impl<S: event::Source> Drop for Watched<S> {
    fn drop(&mut self) {
        self.reactor.deregister(&mut self.io, &self.source);
    }
}
