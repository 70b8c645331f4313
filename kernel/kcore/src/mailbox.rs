//! A bounded queue of messages, each with its sender.
//!
//! All memory is taken when the mailbox is made, as pages `P`; a message lies in one page. A message
//! that its receiver could not take after all (its buffer was bad) goes back to the front; it then has
//! the one place that is kept free for it.

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
        let pages = (self.messages + 1).div_ceil(in_page);
        (pages <= Self::MAX_PAGES).then_some(pages)
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// A message that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub sender: u32,
    /// How many bytes it has.
    pub len: usize,
}

/// A message and where it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sender: u32,
    len: u32,
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
        let entry = Entry { sender: 0, len: 0 };
        Self {
            size,
            pages,
            entries: alloc::vec![entry; size.messages + 1],
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

    /// Adds a message; none if the caller has to wait for room.
    ///
    /// # Errors
    /// [`TooLong`].
    #[inline]
    pub fn send(
        &mut self,
        sender: u32,
        bytes: &[u8],
        wakes: &mut Wakes,
    ) -> Option<Result<(), TooLong>> {
        if bytes.len() > self.size.message_len {
            return Some(Err(TooLong));
        }
        if self.count >= self.size.messages {
            return None;
        }
        let place = self.place(self.first + self.count);
        self.store(place, sender, bytes);
        self.count += 1;
        wakes.takers = 1;
        Some(Ok(()))
    }

    /// Takes the oldest message out, into `buffer`, which is as long as any message; none if the
    /// caller has to wait for one.
    #[inline]
    pub fn receive(&mut self, buffer: &mut [u8], wakes: &mut Wakes) -> Option<Message> {
        if self.count == 0 {
            return None;
        }
        let place = self.first;
        let Entry { sender, len } = self.entries[place];
        let len = len as usize;
        let (page, at) = self.position(place);
        buffer[..len].copy_from_slice(&self.pages[page].as_ref()[at..at + len]);
        self.first = self.place(place + 1);
        self.count -= 1;
        wakes.givers = 1;
        Some(Message { sender, len })
    }

    /// Puts a message back to the front that [`receive`](Self::receive) has taken out. False if there
    /// is no place for it: others have been put back meanwhile.
    #[must_use]
    pub fn put_back(&mut self, sender: u32, bytes: &[u8], wakes: &mut Wakes) -> bool {
        if self.count >= self.entries.len() || bytes.len() > self.size.message_len {
            return false;
        }
        self.first = self.first.checked_sub(1).unwrap_or(self.entries.len() - 1);
        self.store(self.first, sender, bytes);
        self.count += 1;
        wakes.takers = 1;
        true
    }

    fn store(&mut self, place: usize, sender: u32, bytes: &[u8]) {
        let (page, at) = self.position(place);
        self.pages[page].as_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        self.entries[place] = Entry {
            sender,
            len: bytes.len() as u32,
        };
    }

    /// A place, counted on past the end.
    #[inline]
    fn place(&self, number: usize) -> usize {
        let places = self.entries.len();
        if number >= places {
            number - places
        } else {
            number
        }
    }

    /// The page of a place, and where in it.
    #[inline]
    fn position(&self, place: usize) -> (usize, usize) {
        let len = self.size.message_len;
        let in_page = self.pages[0].as_ref().len() / len;
        (place / in_page, place % in_page * len)
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

    #[test]
    fn sizes_have_limits() {
        let pages = |messages, message_len| {
            let size = MailboxSize {
                messages,
                message_len,
            };
            size.pages(4096)
        };
        assert_eq!(pages(63, 64), Some(1));
        assert_eq!(pages(64, 64), Some(2));
        assert_eq!(pages(1, 1024), Some(1));
        for (messages, len) in [(0, 1), (1, 0), (1025, 1), (1, 1025), (1024, 1024)] {
            assert_eq!(pages(messages, len), None, "{messages} {len}");
        }
        for (messages, len) in [(usize::MAX - 1, 1), (1, usize::MAX)] {
            assert_eq!(pages(messages, len), None, "{messages} {len}");
        }
    }

    #[test]
    fn a_message_put_back_comes_first_even_if_the_mailbox_is_full_again() {
        let mut mailbox = mailbox(2, 8, 16);
        let mut wakes = Wakes::default();
        let mut buffer = [0; 8];
        mailbox.send(1, b"first", &mut wakes);
        mailbox.send(2, b"second", &mut wakes);
        assert_eq!(mailbox.send(3, b"third", &mut wakes), None);
        assert_eq!(
            mailbox.send(3, b"much too long", &mut wakes),
            Some(Err(TooLong))
        );
        let taken = mailbox.receive(&mut buffer, &mut wakes).unwrap();
        assert_eq!(mailbox.send(3, b"third", &mut wakes), Some(Ok(())));
        assert!(mailbox.put_back(taken.sender, &buffer[..taken.len], &mut wakes));
        assert!(!mailbox.put_back(9, b"x", &mut wakes), "one place is kept");
        let mut got = vec![];
        while let Some(message) = mailbox.receive(&mut buffer, &mut wakes) {
            got.push((message.sender, buffer[..message.len].to_vec()));
        }
        assert_eq!(got[0], (1, b"first".to_vec()));
        assert_eq!(got[1], (2, b"second".to_vec()));
        assert_eq!(got[2], (3, b"third".to_vec()));
        assert!(mailbox.is_empty());
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
                        Some(Err(TooLong))
                    } else {
                        (plain.len() < messages).then_some(Ok(()))
                    };
                    let sender = u32::from(value);
                    prop_assert_eq!(mailbox.send(sender, &bytes, &mut wakes), expected);
                    prop_assert_eq!(wakes.takers == 1, expected == Some(Ok(())));
                    if expected == Some(Ok(())) {
                        plain.push_back((sender, bytes));
                    }
                } else {
                    let mut buffer = vec![0; message_len];
                    let got = mailbox.receive(&mut buffer, &mut wakes)
                        .map(|message| (message.sender, buffer[..message.len].to_vec()));
                    prop_assert_eq!(wakes.givers == 1, got.is_some());
                    prop_assert_eq!(got, plain.pop_front());
                }
                prop_assert_eq!(mailbox.len(), plain.len());
            }
        }
    }
}
