//! The ways from one unit to another, and how the far end comes to the other thread or process.
//!
//! # Protocol
//! [`Link::make`] gives the near end, and what the far end is opened from: descriptors, which a
//! process inherits in place of its input and output, and words, which it gets as arguments. A thread
//! opens it from the same. The near end has to live until the far one is open.

use std::os::fd::OwnedFd;

use super::file::Files;
use super::memory::Rings;
use super::queue::Queues;
use super::stream;

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Link {
    /// Two pipes.
    Pipe,
    /// A pair of connected local sockets, which are Unix sockets here.
    LocalSocket,
    /// A connection over the loopback device.
    Tcp,
    /// Two rings in shared memory, whose ends wait by semaphores.
    SharedMemory,
    /// Two POSIX message queues.
    MessageQueue,
    /// Four files, whose changes are waited for by inotify.
    File,
}

/// One end: it sends and receives messages of lengths that both sides know.
pub(super) trait End: Send {
    /// Sends all bytes.
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()>;

    /// Receives until the buffer is full.
    fn receive(&mut self, message: &mut [u8]) -> anyhow::Result<()>;

    /// A limit of the system that makes a message more than one, where it has met one.
    fn note(&self, _size: usize) -> Option<String> {
        None
    }
}

/// What the far end is opened from.
#[derive(Debug, Default)]
pub(super) struct Far {
    pub(super) input: Option<OwnedFd>,
    pub(super) output: Option<OwnedFd>,
    pub(super) words: Vec<String>,
}

impl Link {
    pub(super) const ALL: &[Self] = &[
        Self::Pipe,
        Self::LocalSocket,
        Self::Tcp,
        Self::SharedMemory,
        Self::MessageQueue,
        Self::File,
    ];

    /// The name on the command line and in the tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::LocalSocket => "local-socket",
            Self::Tcp => "tcp",
            Self::SharedMemory => "shared-memory",
            Self::MessageQueue => "message-queue",
            Self::File => "file",
        }
    }

    /// Makes one.
    pub(super) fn make(self) -> anyhow::Result<(Box<dyn End>, Far)> {
        Ok(match self {
            Self::Pipe => stream::pipes()?,
            Self::LocalSocket => stream::unix()?,
            Self::Tcp => stream::tcp()?,
            Self::SharedMemory => Rings::make()?,
            Self::MessageQueue => Queues::make()?,
            Self::File => Files::make()?,
        })
    }

    /// Opens the far end.
    pub(super) fn open(self, far: Far) -> anyhow::Result<Box<dyn End>> {
        Ok(match self {
            Self::Pipe => Box::new(stream::open_pipes(far)?),
            Self::LocalSocket | Self::Tcp => Box::new(stream::open_socket(far)?),
            Self::SharedMemory => Box::new(Rings::open(&far.words)?),
            Self::MessageQueue => Box::new(Queues::open(&far.words)?),
            Self::File => Box::new(Files::open(&far.words)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog;

    fn message(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 + seed) as u8).collect()
    }

    /// Longer than any buffer on the way, so that reads and writes are short.
    const LENS: [usize; 8] = [1, 8, 64, 4096, 4099, 65_536, 300_000, 1 << 20];

    #[test]
    fn every_way_brings_messages_whole_and_in_order() {
        for link in Link::ALL {
            watchdog::run(|| {
                let (mut near, far) = link.make().expect("a link");
                let echo = std::thread::spawn(|| {
                    let mut end = link.open(far).expect("the far end");
                    for len in LENS {
                        let mut bytes = vec![0; len];
                        end.receive(&mut bytes).expect("received");
                        end.send(&bytes).expect("sent back");
                    }
                });
                for (seed, len) in LENS.into_iter().enumerate() {
                    let sent = message(len, seed);
                    near.send(&sent).expect("sent");
                    let mut back = vec![0; len];
                    near.receive(&mut back).expect("received");
                    assert!(sent == back, "{len} bytes over {}", link.name());
                }
                echo.join().expect("no panic");
            });
        }
    }

    #[test]
    fn many_messages_on_their_way_stay_apart() {
        for link in Link::ALL {
            watchdog::run(|| {
                let (mut near, far) = link.make().expect("a link");
                let sink = std::thread::spawn(|| {
                    let mut end = link.open(far).expect("the far end");
                    for seed in 0..3_000 {
                        let mut bytes = vec![0; 100];
                        end.receive(&mut bytes).expect("received");
                        assert!(bytes == message(100, seed), "message {seed}");
                    }
                });
                for seed in 0..3_000 {
                    near.send(&message(100, seed)).expect("sent");
                }
                sink.join().expect("all were right");
            });
        }
    }

    #[test]
    fn a_far_end_needs_what_it_is_opened_from() {
        for link in Link::ALL {
            assert!(link.open(Far::default()).is_err(), "{}", link.name());
        }
    }
}
