//! Two POSIX message queues, one each way, as long as the system lets them be.
//!
//! A message of a queue has a greatest length, so that longer ones go in pieces. The queues have names,
//! which the near end removes when it is dropped.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail, ensure};
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_close, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

use super::link::{End, Far};

/// What is asked for, if the system allows it: 64 KiB, as a pipe has.
const MESSAGES: i64 = 8;
/// Bytes of a piece, likewise.
const PIECE: i64 = 8192;

/// Tells the queues of one process apart.
static MADE: AtomicU32 = AtomicU32::new(0);

/// An end: a queue to send to, and one to receive from.
pub(super) struct Queues {
    to: Option<MqdT>,
    from: Option<MqdT>,
    /// What a piece of a message may have.
    piece: usize,
    /// What is removed at the end.
    names: Vec<String>,
}

/// A number in a file of the system's limits.
fn limit(name: &str) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/sys/fs/mqueue/{name}")).ok()?;
    text.trim().parse().ok()
}

impl Queues {
    pub(super) fn make() -> anyhow::Result<(Box<dyn End>, Far)> {
        let piece = PIECE.min(limit("msgsize_max").unwrap_or(PIECE));
        let messages = MESSAGES.min(limit("msg_max").unwrap_or(MESSAGES));
        let attributes = MqAttr::new(0, messages, piece, 0);
        let mut end = Self {
            to: None,
            from: None,
            piece: usize::try_from(piece)?,
            names: Vec::new(),
        };
        for place in [&mut end.to, &mut end.from] {
            // ORDERING: Relaxed: a counter, and nothing beside it.
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let name = format!("/lab-{}-{number}", std::process::id());
            let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            let queue = mq_open(&*name, flags, mode, Some(&attributes)).with_context(|| {
                format!("no queue of {messages} messages of {piece} bytes: a limit of the system")
            })?;
            end.names.push(name);
            *place = Some(queue);
        }
        let mut words: Vec<String> = end.names.iter().rev().cloned().collect();
        words.push(piece.to_string());
        let far = Far {
            words,
            ..Far::default()
        };
        Ok((Box::new(end), far))
    }

    pub(super) fn open(words: &[String]) -> anyhow::Result<Self> {
        let [to, from, piece] = words else {
            bail!("two queues are needed, and how long a message is");
        };
        let open = |name: &String| {
            let queue = mq_open(&**name, MQ_OFlag::O_RDWR, Mode::empty(), None);
            queue.with_context(|| format!("could not open {name}"))
        };
        Ok(Self {
            to: Some(open(to)?),
            from: Some(open(from)?),
            piece: piece.parse()?,
            names: Vec::new(),
        })
    }
}

/// A queue that isn't closed yet.
const OPEN: &str = "invariant: open until it is dropped";

impl End for Queues {
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let to = self.to.as_ref().context(OPEN)?;
        for piece in message.chunks(self.piece) {
            mq_send(to, piece, 0).context("could not send")?;
        }
        Ok(())
    }

    fn receive(&mut self, message: &mut [u8]) -> anyhow::Result<()> {
        let from = self.from.as_ref().context(OPEN)?;
        let mut last = Vec::new();
        for piece in message.chunks_mut(self.piece) {
            let expected = piece.len();
            let whole = expected == self.piece;
            // The system wants room for the longest message, whatever comes.
            let room: &mut [u8] = match whole {
                true => &mut *piece,
                false => {
                    last.resize(self.piece, 0);
                    &mut last
                }
            };
            let received = mq_receive(from, room, &mut 0).context("could not receive")?;
            ensure!(received == expected, "{received} bytes, not {expected}");
            if !whole {
                piece.copy_from_slice(&last[..expected]);
            }
        }
        Ok(())
    }

    fn note(&self, size: usize) -> Option<String> {
        (size > self.piece).then(|| {
            format!(
                "{} pieces a message: {} bytes are the limit",
                size.div_ceil(self.piece),
                self.piece
            )
        })
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        for queue in [self.to.take(), self.from.take()].into_iter().flatten() {
            // Closed or not, it ends with the process.
            let _ = mq_close(queue);
        }
        for name in &self.names {
            let _ = mq_unlink(&**name);
        }
    }
}
