//! What the supervisor waits for: the workers' sockets, their ends, and a bell.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use exec_core::{Ground, Nanos, StdGround};
use rustix::{
    event::{EventfdFlags, Timespec, epoll},
    io::Errno,
};

use crate::process::Process;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A socket can be read, or is at its end.
    Readable { slot: usize, generation: u32 },
    /// A socket takes more.
    Writable { slot: usize, generation: u32 },
    /// A process has ended.
    Ended { slot: usize, generation: u32 },
}

/// What of a socket is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.read);
        flags.set(epoll::EventFlags::OUT, self.write);
        if flags.is_empty() {
            // A socket's end is told whether it is asked for or not: once is enough.
            flags = epoll::EventFlags::ONESHOT;
        }
        flags
    }
}

/// The token of the bell, which no slot has.
const BELL: u64 = u64::MAX;

/// Whether a token is of a process (and not of its socket).
const PROCESS: u64 = 1 << 31;

fn token(slot: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | slot as u64
}

/// An epoll and an eventfd.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = rustix::event::eventfd(0, flags)?;
        epoll::add(
            &epoll,
            &bell,
            epoll::EventData::new_u64(BELL),
            epoll::EventFlags::IN,
        )?;
        Ok(Self { epoll, bell })
    }

    /// Begins to watch a new process: its end, and what it says.
    pub(crate) fn add(&self, process: &Process, slot: usize, generation: u32) -> io::Result<()> {
        let token = token(slot, generation);
        let interest = Interest {
            read: true,
            write: false,
        };
        epoll::add(
            &self.epoll,
            &process.channel,
            epoll::EventData::new_u64(token),
            interest.flags(),
        )?;
        epoll::add(
            &self.epoll,
            process.pidfd(),
            epoll::EventData::new_u64(token | PROCESS),
            epoll::EventFlags::IN | epoll::EventFlags::ONESHOT,
        )?;
        Ok(())
    }

    /// Changes what is of interest.
    pub(crate) fn modify(
        &self,
        process: &Process,
        slot: usize,
        generation: u32,
        interest: Interest,
    ) {
        let data = epoll::EventData::new_u64(token(slot, generation));
        let done = epoll::modify(&self.epoll, &process.channel, data, interest.flags());
        debug_assert!(done.is_ok(), "invariant: it was added: {done:?}");
    }

    /// Stops watching.
    pub(crate) fn remove(&self, process: &Process) {
        for fd in [process.channel.as_fd(), process.pidfd()] {
            let _ = epoll::delete(&self.epoll, fd);
        }
    }

    /// Makes the supervisor look at everything again.
    pub(crate) fn ring(&self) {
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.bell, &1_u64.to_ne_bytes()));
    }

    /// Waits for events until `until` at the latest; none when the bell was all, or the time.
    ///
    /// # Blocking
    /// Until then.
    pub(crate) fn wait(&self, until: Nanos, found: &mut Vec<Event>) {
        found.clear();
        let left = until.saturating_since(StdGround.now());
        let timeout = (until != Nanos::MAX)
            .then(|| Timespec::try_from(left).ok())
            .flatten();
        let mut events = Vec::with_capacity(64);
        let space = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, space, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => debug_assert!(false, "invariant: epoll can be waited for: {error}"),
        }
        for epoll::Event { flags, data } in events {
            let token = data.u64();
            if token == BELL {
                let _ = rustix::io::read(&self.bell, &mut [0; 8]);
                continue;
            }
            let generation = (token >> 32) as u32;
            let slot = (token & (PROCESS - 1)) as usize;
            if token & PROCESS != 0 {
                found.push(Event::Ended { slot, generation });
                continue;
            }
            if flags.contains(epoll::EventFlags::OUT) {
                found.push(Event::Writable { slot, generation });
            }
            if flags
                .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
            {
                found.push(Event::Readable { slot, generation });
            }
        }
    }
}
