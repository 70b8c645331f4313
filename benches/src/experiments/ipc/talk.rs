//! What the two ends say to each other, and how it is checked.
//!
//! # Protocol
//! All messages of a talk have one length. The first eight bytes are a number and what is asked for;
//! where there is room, the last eight are the same, so that a message that is cut short, or is put
//! together from two, is seen. The far end receives, checks both, and does what is [`Ask`]ed.
//! Between them is a pattern, which is checked in messages that ask for it, outside of what is timed.

use anyhow::{bail, ensure};

use super::link::End;

/// What the far end does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Sends it back.
    Echo,
    /// Checks every byte, then sends it back.
    Check,
    /// Takes it, and the next one.
    Take,
    /// Takes it, and sends it back as the receipt for all since the last receipt.
    Receipt,
    /// Ends.
    End,
}

const ALL: [Ask; 5] = [Ask::Echo, Ask::Check, Ask::Take, Ask::Receipt, Ask::End];

/// Where the number begins; below it is what is asked.
const NUMBER: u64 = 8;

/// A message that is filled once, and then numbered again and again.
pub(super) struct Message(Vec<u8>);

/// Bytes of a number, and the shortest message.
pub(super) const SHORTEST: usize = 8;

impl Message {
    /// One of so many bytes, with the pattern in it.
    pub(super) fn new(size: usize) -> Self {
        Self((0..size.max(SHORTEST)).map(pattern).collect())
    }

    /// Numbers it.
    pub(super) fn stamp(&mut self, number: u64, ask: Ask) -> &[u8] {
        let stamp = (number * NUMBER + ask as u64).to_le_bytes();
        self.0[..SHORTEST].copy_from_slice(&stamp);
        if self.0.len() >= 2 * SHORTEST {
            let end = self.0.len() - SHORTEST;
            self.0[end..].copy_from_slice(&stamp);
        }
        &self.0
    }

    /// Where one is received.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// What it says; an error where its two ends differ.
    pub(super) fn read(&self) -> anyhow::Result<(u64, Ask)> {
        let (stamp, _) = self.0.split_first_chunk().expect("invariant: long enough");
        let is_whole = self.0.len() < 2 * SHORTEST || self.0.ends_with(stamp);
        let stamp = u64::from_le_bytes(*stamp);
        match ALL.get((stamp % NUMBER) as usize) {
            Some(ask) if is_whole => Ok((stamp / NUMBER, *ask)),
            _ => bail!("a broken message, {stamp:#x} at its beginning"),
        }
    }

    /// Checks every byte between the numbers.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let end = self.0.len().saturating_sub(SHORTEST);
        let between = self.0.iter().enumerate().take(end).skip(SHORTEST);
        for (at, byte) in between {
            ensure!(*byte == pattern(at), "a wrong byte at {at}");
        }
        Ok(())
    }
}

/// Each byte tells of its place, at a period that no buffer's size divides.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

/// The near end of a talk.
pub(super) struct Talk {
    pub(super) end: Box<dyn End>,
    out: Message,
    back: Message,
    number: u64,
}

impl Talk {
    pub(super) fn new(end: Box<dyn End>, size: usize) -> Self {
        Self {
            end,
            out: Message::new(size),
            back: Message::new(size),
            number: 0,
        }
    }

    /// So many messages there and back, one after the other.
    pub(super) fn round_trips(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            self.answered(Ask::Echo)?;
        }
        Ok(())
    }

    /// So many messages there, and a receipt for all of them; one at the least.
    pub(super) fn one_way(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 1..count {
            self.number += 1;
            self.end.send(self.out.stamp(self.number, Ask::Take))?;
        }
        self.answered(Ask::Receipt)
    }

    /// A message of which both sides check every byte.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        // What was received before can't pass for this one.
        self.back.room().fill(0);
        self.answered(Ask::Check)?;
        self.back.check()
    }

    /// Lets the far end go.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        self.number += 1;
        self.end.send(self.out.stamp(self.number, Ask::End))
    }

    fn answered(&mut self, ask: Ask) -> anyhow::Result<()> {
        self.number += 1;
        self.end.send(self.out.stamp(self.number, ask))?;
        self.end.receive(self.back.room())?;
        let back = self.back.read()?;
        ensure!(
            back == (self.number, ask),
            "{back:?} instead of {ask:?} {}",
            self.number
        );
        Ok(())
    }
}

/// The far end, until it is told to end.
pub(super) fn answer(mut end: Box<dyn End>, size: usize) -> anyhow::Result<()> {
    let mut message = Message::new(size);
    let mut expected = 1;
    loop {
        end.receive(message.room())?;
        let (number, ask) = message.read()?;
        ensure!(number == expected, "message {number} instead of {expected}");
        expected += 1;
        match ask {
            Ask::Take => continue,
            Ask::End => return Ok(()),
            Ask::Check => message.check()?,
            Ask::Echo | Ask::Receipt => {}
        }
        end.send(message.stamp(number, ask))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_was_stamped() {
        for size in [0, 8, 9, 15, 16, 17, 1000] {
            let mut message = Message::new(size);
            for ask in ALL {
                message.stamp(77, ask);
                assert_eq!(message.read().expect("whole"), (77, ask), "{size}");
                message.check().expect("the pattern");
            }
        }
    }

    #[test]
    fn a_torn_message_and_a_wrong_byte_are_seen() {
        let mut message = Message::new(32);
        message.stamp(1, Ask::Echo);
        message.room()[31] ^= 1;
        assert!(message.read().is_err(), "torn");
        message.stamp(1, Ask::Echo);
        message.room()[16] ^= 1;
        assert!(message.read().is_ok() && message.check().is_err());
        message.room()[..8].fill(0xff);
        assert!(message.read().is_err(), "nothing that can be asked");
    }
}
