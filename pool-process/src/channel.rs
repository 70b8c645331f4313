//! One end of a worker's socket pair, and what it can do with frames.
//!
//! The socket is a stream of the Unix family, close-on-exec on both ends. Nothing here raises
//! `SIGPIPE`, and an interrupted call is made again.

use core::mem::MaybeUninit;
use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use exec_core::{Ground, Nanos, StdGround};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    },
};

use crate::frame::Assembler;

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Bytes, now in the assembler.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// The other end is gone, and everything it said was read.
    End,
}

/// Whether a read may block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Yes,
    No,
}

impl Channel {
    /// A pair: ours, and the end that a worker is started with.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), theirs))
    }

    /// The end that this process was started with.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends what the socket takes at once, and returns how much that was.
    ///
    /// # Errors
    /// When the other end is gone.
    pub(crate) fn send_some(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match retry_on_intr(|| rustix::net::send(&self.0, bytes, flags)) {
            Ok(sent) => Ok(sent),
            Err(gone @ (Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) => Err(gone.into()),
            // Full, or the system is out of memory for now: later.
            Err(_) => Ok(0),
        }
    }

    /// Sends everything.
    ///
    /// # Blocking
    /// Until the other end has taken all but what the socket holds.
    pub(crate) fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = retry_on_intr(|| rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL))?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Reads once.
    ///
    /// # Blocking
    /// Until something was said or the other end is gone, where `block` allows it.
    pub(crate) fn receive(&self, into: &mut Assembler, block: Block) -> io::Result<Received> {
        let flags = match block {
            Block::Yes => RecvFlags::empty(),
            Block::No => RecvFlags::DONTWAIT,
        };
        let room = into.room();
        loop {
            let spare = rustix::buffer::spare_capacity(room);
            return match rustix::net::recv(&self.0, spare, flags) {
                Ok((_, 0)) => Ok(Received::End),
                Ok(_) => Ok(Received::Bytes),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Ok(Received::Nothing),
                Err(Errno::CONNRESET) => Ok(Received::End),
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Waits until there is something to read (or the end), until `until` at the latest.
    pub(crate) fn wait_readable(&self, until: Nanos) {
        loop {
            let left = until.saturating_since(StdGround.now());
            let left = Timespec::try_from(left).ok();
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            if rustix::event::poll(&mut fds, left.as_ref()) != Err(Errno::INTR) {
                return;
            }
        }
    }

    /// Sends a first frame together with a descriptor. The socket is empty: it takes all of it.
    pub(crate) fn send_with(&self, bytes: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        let fits = control.push(SendAncillaryMessage::ScmRights(&fds));
        debug_assert!(fits, "invariant: the space was made for it");
        let sent = retry_on_intr(|| {
            let bytes = [IoSlice::new(bytes)];
            rustix::net::sendmsg(&self.0, &bytes, &mut control, SendFlags::NOSIGNAL)
        })?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Receives such a frame into `bytes`: how long it is, and the descriptor.
    pub(crate) fn receive_with(&self, bytes: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut bytes = [IoSliceMut::new(bytes)];
            rustix::net::recvmsg(&self.0, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        Ok((received.bytes, fd))
    }

    /// Tells the other end that nothing more will come; what it says can still be read.
    pub(crate) fn end_sending(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Write);
    }

    /// Ends both directions: whoever is blocked in a read returns, once everything was read.
    pub(crate) fn end(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
