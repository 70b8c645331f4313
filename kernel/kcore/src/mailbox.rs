//! A bounded queue of messages, each with its sender.
//!
//! All memory is taken when the mailbox is made, as pages `P`; a message lies in one page, and is
//! copied there and back by its sender and its receiver under the lock of the mailbox. One that cannot
//! be copied is not sent; one that its receiver cannot take stays the oldest.

use alloc::vec::Vec;

use crate::monitor::Wakes;

/// How a mailbox is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxSize {
    /// How many messages it holds at most.
    pub messages: usize,
    /// The greatest length of a message.
    pub message_len: usize,
}

impl MailboxSize {
    /// The greatest length of any message.
    pub const MAX_LEN: usize = 1024;
    /// The most messages of any mailbox.
    pub const MAX_MESSAGES: usize = 1024;
    /// The most pages of any mailbox.
    const MAX_PAGES: usize = 64;

    /// How many pages of this length it takes; none if it is too large, or holds nothing.
    #[must_use]
    pub fn pages(self, page_len: usize) -> Option<usize> {
        let good = (1..=Self::MAX_MESSAGES).contains(&self.messages)
            && (1..=Self::MAX_LEN).contains(&self.message_len);
        let in_page = page_len.checked_div(self.message_len).unwrap_or(0);
        if !good || in_page == 0 {
            return None;
        }
        let pages = self.messages.div_ceil(in_page);
        (pages <= Self::MAX_PAGES).then_some(pages)
    }
}

/// Why a message was not sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError<E> {
    /// It is longer than the mailbox's longest, or the receiver has no room for that.
    Size,
    /// It could not be copied.
    Copy(E),
}

/// A message that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub sender: u32,
    /// How many bytes it has.
    pub len: usize,
}

/// A place for a message, and what is in it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sender: u32,
    len: u32,
    /// Its page, and where in it: fixed.
    page: u32,
    at: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Mailbox<P> {
    size: MailboxSize,
    pages: Vec<P>,
    entries: Vec<Entry>,
    first: usize,
    count: usize,
}

impl<P: AsRef<[u8]> + AsMut<[u8]>> Mailbox<P> {
    /// A mailbox in these pages: as many as [`MailboxSize::pages`] says.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn new(size: MailboxSize, pages: Vec<P>) -> Self {
        let page_len = pages.first().map_or(0, |page| page.as_ref().len());
        assert!(
            size.pages(page_len).is_some_and(|need| need <= pages.len()),
            "invariant: there are as many pages as the size says"
        );
        let in_page = page_len / size.message_len;
        let entry = |place: usize| Entry {
            sender: 0,
            len: 0,
            page: (place / in_page) as u32,
            at: (place % in_page * size.message_len) as u32,
        };
        Self {
            size,
            pages,
            entries: (0..size.messages).map(entry).collect(),
            first: 0,
            count: 0,
        }
    }

    /// How it was made.
    #[must_use]
    pub fn size(&self) -> MailboxSize {
        self.size
    }

    /// How many messages are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a message of `len` bytes, which `fill` writes; none if the caller has to wait for room.
    ///
    /// # Errors
    /// [`MessageError`]; nothing was sent.
    #[inline]
    pub fn send<E>(
        &mut self,
        sender: u32,
        len: usize,
        wakes: &mut Wakes,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Option<Result<(), MessageError<E>>> {
        if len > self.size.message_len {
            return Some(Err(MessageError::Size));
        }
        let places = self.entries.len();
        if self.count >= places {
            return None;
        }
        let place = self.first + self.count;
        let place = if place >= places {
            place - places
        } else {
            place
        };
        let entry = &mut self.entries[place];
        let at = entry.at as usize;
        if let Err(error) = fill(&mut self.pages[entry.page as usize].as_mut()[at..at + len]) {
            return Some(Err(MessageError::Copy(error)));
        }
        (entry.sender, entry.len) = (sender, len as u32);
        self.count += 1;
        wakes.takers = 1;
        Some(Ok(()))
    }

    /// Takes the oldest message out, with `take`, for a receiver that has `room`; none if the caller
    /// has to wait for one.
    ///
    /// # Errors
    /// [`MessageError`]; the message stays.
    #[inline]
    pub fn receive<E>(
        &mut self,
        room: usize,
        wakes: &mut Wakes,
        take: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Option<Result<Message, MessageError<E>>> {
        if room < self.size.message_len {
            return Some(Err(MessageError::Size));
        }
        if self.count == 0 {
            return None;
        }
        let entry = self.entries[self.first];
        let (at, len) = (entry.at as usize, entry.len as usize);
        if let Err(error) = take(&self.pages[entry.page as usize].as_ref()[at..at + len]) {
            // Somebody else may have more luck with it.
            wakes.takers = 1;
            return Some(Err(MessageError::Copy(error)));
        }
        self.first += 1;
        if self.first == self.entries.len() {
            self.first = 0;
        }
        self.count -= 1;
        wakes.givers = 1;
        Some(Ok(Message {
            sender: entry.sender,
            len,
        }))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::VecDeque, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn mailbox(messages: usize, message_len: usize, page: usize) -> Mailbox<Vec<u8>> {
        let size = MailboxSize {
            messages,
            message_len,
        };
        let pages = size.pages(page).unwrap();
        Mailbox::new(size, vec![vec![0; page]; pages])
    }

    fn send(
        mailbox: &mut Mailbox<Vec<u8>>,
        sender: u32,
        bytes: &[u8],
        wakes: &mut Wakes,
    ) -> Option<Result<(), MessageError<()>>> {
        mailbox.send(sender, bytes.len(), wakes, |to| {
            to.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn receive(mailbox: &mut Mailbox<Vec<u8>>, wakes: &mut Wakes) -> Option<(u32, Vec<u8>)> {
        let mut bytes = vec![];
        let take = |from: &[u8]| {
            bytes = from.to_vec();
            Ok::<_, ()>(())
        };
        let message = mailbox.receive(100, wakes, take)?.unwrap();
        assert_eq!(message.len, bytes.len());
        Some((message.sender, bytes))
    }

    #[test]
    fn sizes_have_limits() {
        let pages = |messages, message_len| {
            let size = MailboxSize {
                messages,
                message_len,
            };
            size.pages(4096)
        };
        assert_eq!(pages(64, 64), Some(1));
        assert_eq!(pages(65, 64), Some(2));
        assert_eq!(pages(1, 1024), Some(1));
        for (messages, len) in [(0, 1), (1, 0), (1025, 1), (1, 1025), (1024, 1024)] {
            assert_eq!(pages(messages, len), None, "{messages} {len}");
        }
        for (messages, len) in [(usize::MAX - 1, 1), (1, usize::MAX)] {
            assert_eq!(pages(messages, len), None, "{messages} {len}");
        }
    }

    #[test]
    fn what_cannot_be_copied_is_neither_sent_nor_lost() {
        let mut mailbox = mailbox(2, 8, 16);
        let mut wakes = Wakes::default();
        let refused = mailbox.send(1, 4, &mut wakes, |_| Err(14));
        assert_eq!(refused, Some(Err(MessageError::Copy(14))));
        assert!(mailbox.is_empty() && wakes == Wakes::default());
        send(&mut mailbox, 1, b"first", &mut wakes);
        send(&mut mailbox, 2, b"second", &mut wakes);
        assert_eq!(send(&mut mailbox, 3, b"third", &mut wakes), None, "full");
        assert_eq!(
            send(&mut mailbox, 3, b"much too long", &mut wakes),
            Some(Err(MessageError::Size))
        );
        wakes = Wakes::default();
        let refused = mailbox.receive(8, &mut wakes, |_| Err(14));
        assert_eq!(refused, Some(Err(MessageError::Copy(14))));
        assert_eq!((wakes.takers, wakes.givers), (1, 0));
        let refused = mailbox.receive(7, &mut wakes, |_| Ok::<_, ()>(()));
        assert_eq!(refused, Some(Err(MessageError::Size)));
        assert_eq!(
            receive(&mut mailbox, &mut wakes),
            Some((1, b"first".to_vec()))
        );
        assert_eq!(
            receive(&mut mailbox, &mut wakes),
            Some((2, b"second".to_vec()))
        );
        assert_eq!(receive(&mut mailbox, &mut wakes), None);
    }

    proptest! {
        #[test]
        fn behaves_like_a_bounded_queue(
            messages in 1..9usize,
            message_len in 1..10usize,
            ops in proptest::collection::vec((any::<bool>(), 0..12usize, any::<u8>()), 0..200),
        ) {
            let mut mailbox = mailbox(messages, message_len, 16);
            let mut plain = VecDeque::new();
            for (sends, len, value) in ops {
                let mut wakes = Wakes::default();
                if sends {
                    let bytes = vec![value; len];
                    let expected = if len > message_len {
                        Some(Err(MessageError::Size))
                    } else {
                        (plain.len() < messages).then_some(Ok(()))
                    };
                    let sender = u32::from(value);
                    prop_assert_eq!(send(&mut mailbox, sender, &bytes, &mut wakes), expected);
                    prop_assert_eq!(wakes.takers == 1, expected == Some(Ok(())));
                    if expected == Some(Ok(())) {
                        plain.push_back((sender, bytes));
                    }
                } else {
                    let got = receive(&mut mailbox, &mut wakes);
                    prop_assert_eq!(wakes.givers == 1, got.is_some());
                    prop_assert_eq!(got, plain.pop_front());
                }
                prop_assert_eq!(mailbox.len(), plain.len());
            }
        }
    }
}
