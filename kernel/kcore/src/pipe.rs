//! The bytes in a pipe, and how many ends it has.
//!
//! # States
//! A pipe has readers and writers. Without readers a write is broken; without writers a read finds
//! what is left and then the end. A named pipe can get new ends; the bytes go when the last end of
//! both kinds has gone.
//!
//! # Meeting
//! Who opens an end of a named pipe waits until there is one of the other kind, or was one since: the
//! other may open, find this one, and close again before this one looks. So what counts is how many
//! were ever opened, see [`Meeting`].

use crate::{monitor::Wakes, sync::seeded};

/// Nobody reads the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenPipe;

/// A bounded queue of bytes in the memory `P`, with two kinds of ends.
#[derive(Debug)]
pub struct PipeBuffer<P> {
    bytes: P,
    start: usize,
    len: usize,
    readers: usize,
    writers: usize,
    /// How many ends of each kind there ever were: who waits for the other end to be opened must not
    /// miss one that was closed again.
    opened: [u64; 2],
}

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one to read from.
    Read,
    /// The one to write to.
    Write,
}

impl End {
    /// The end on the other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
}

/// An end of a named pipe that was opened and waits for one of the other kind.
#[derive(Clone, Copy, Debug)]
pub struct Meeting {
    other: End,
    /// Whether there was one when this end was opened, and how many had been opened.
    met: bool,
    before: u64,
}

impl<P: AsRef<[u8]> + AsMut<[u8]>> PipeBuffer<P> {
    /// An empty pipe without ends; it holds as many bytes as `bytes` has.
    pub fn new(bytes: P) -> Self {
        Self {
            bytes,
            start: 0,
            len: 0,
            readers: 0,
            writers: 0,
            opened: [0; 2],
        }
    }

    /// Adds an end.
    pub fn open(&mut self, end: End, wakes: &mut Wakes) {
        *self.count(end) += 1;
        self.opened[end as usize] += 1;
        *wakes = Wakes::ALL;
    }

    /// Removes an end; who waits is to look again.
    pub fn close(&mut self, end: End, wakes: &mut Wakes) {
        let count = self.count(end);
        assert!(*count > 0, "invariant: an end is closed once");
        *count -= 1;
        if *count == 0 {
            *wakes = Wakes::ALL;
        }
        if self.readers == 0 && self.writers == 0 {
            (self.start, self.len) = (0, 0);
        }
    }

    /// Adds an end that waits for one of the other kind.
    pub fn open_to_meet(&mut self, end: End, wakes: &mut Wakes) -> Meeting {
        self.open(end, wakes);
        let other = end.other();
        Meeting {
            other,
            met: self.has(other),
            before: self.opened[other as usize],
        }
    }

    /// Whether there is one, or was one since.
    #[must_use]
    pub fn has_met(&self, meeting: Meeting) -> bool {
        if seeded("an end waits for another that is still open") {
            return self.has(meeting.other);
        }
        meeting.met || self.opened[meeting.other as usize] > meeting.before
    }

    /// Whether there is an end of this kind.
    #[must_use]
    pub fn has(&self, end: End) -> bool {
        match end {
            End::Read => self.readers > 0,
            End::Write => self.writers > 0,
        }
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// Takes bytes out; none if the caller has to wait, `Some(0)` at the end.
    pub fn read(&mut self, to: &mut [u8], wakes: &mut Wakes) -> Option<usize> {
        let count = to.len().min(self.len);
        if count == 0 {
            return (self.writers == 0 || to.is_empty()).then_some(0);
        }
        let bytes = self.bytes.as_ref();
        let first = count.min(bytes.len() - self.start);
        to[..first].copy_from_slice(&bytes[self.start..self.start + first]);
        to[first..count].copy_from_slice(&bytes[..count - first]);
        self.start = (self.start + count) % bytes.len();
        self.len -= count;
        wakes.givers = 1;
        wakes.takers = usize::from(self.len > 0);
        Some(count)
    }

    /// Puts bytes in: all of them if `whole`, else as many as there is room for; none if the caller has
    /// to wait.
    ///
    /// # Errors
    /// [`BrokenPipe`] if there are no readers.
    pub fn write(
        &mut self,
        from: &[u8],
        whole: bool,
        wakes: &mut Wakes,
    ) -> Option<Result<usize, BrokenPipe>> {
        if self.readers == 0 {
            return Some(Err(BrokenPipe));
        }
        let room = self.capacity() - self.len;
        let count = from.len().min(room);
        if count == 0 && !from.is_empty() || whole && count < from.len() {
            return None;
        }
        let capacity = self.capacity();
        let at = (self.start + self.len) % capacity;
        let first = count.min(capacity - at);
        let bytes = self.bytes.as_mut();
        bytes[at..at + first].copy_from_slice(&from[..first]);
        bytes[..count - first].copy_from_slice(&from[first..count]);
        self.len += count;
        wakes.takers = 1;
        wakes.givers = usize::from(self.len < capacity);
        Some(Ok(count))
    }

    fn count(&mut self, end: End) -> &mut usize {
        match end {
            End::Read => &mut self.readers,
            End::Write => &mut self.writers,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::VecDeque, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn pipe(capacity: usize) -> PipeBuffer<Vec<u8>> {
        let mut pipe = PipeBuffer::new(vec![0; capacity]);
        let mut wakes = Wakes::default();
        pipe.open(End::Read, &mut wakes);
        pipe.open(End::Write, &mut wakes);
        pipe
    }

    #[test]
    fn the_end_comes_after_the_last_byte() {
        let mut pipe = pipe(8);
        let mut wakes = Wakes::default();
        assert_eq!(pipe.read(&mut [0; 4], &mut wakes), None, "not yet");
        assert_eq!(pipe.write(b"last", true, &mut wakes), Some(Ok(4)));
        wakes = Wakes::default();
        pipe.close(End::Write, &mut wakes);
        assert_eq!(wakes, Wakes::ALL);
        let mut buffer = [0; 3];
        assert_eq!(pipe.read(&mut buffer, &mut wakes), Some(3));
        assert_eq!(pipe.read(&mut buffer, &mut wakes), Some(1));
        assert_eq!(pipe.read(&mut buffer, &mut wakes), Some(0));
    }

    #[test]
    fn without_readers_a_write_is_broken_even_if_there_is_room() {
        let mut pipe = pipe(8);
        let mut wakes = Wakes::default();
        pipe.close(End::Read, &mut wakes);
        assert_eq!(pipe.write(b"x", true, &mut wakes), Some(Err(BrokenPipe)));
        assert_eq!(pipe.write(b"", true, &mut wakes), Some(Err(BrokenPipe)));
    }

    #[test]
    fn a_whole_write_waits_for_room_and_a_partial_one_takes_what_there_is() {
        let mut pipe = pipe(8);
        let mut wakes = Wakes::default();
        assert_eq!(pipe.write(b"12345", true, &mut wakes), Some(Ok(5)));
        assert_eq!(pipe.write(b"6789", true, &mut wakes), None);
        assert_eq!(pipe.write(b"6789", false, &mut wakes), Some(Ok(3)));
        assert_eq!(pipe.write(b"9", false, &mut wakes), None, "full");
        assert_eq!(pipe.write(b"", true, &mut wakes), Some(Ok(0)));
    }

    #[test]
    fn the_last_end_takes_the_bytes_with_it() {
        let mut pipe = pipe(8);
        let mut wakes = Wakes::default();
        pipe.write(b"old", true, &mut wakes);
        pipe.close(End::Read, &mut wakes);
        assert_eq!(pipe.len(), 3);
        pipe.close(End::Write, &mut wakes);
        assert!(pipe.is_empty());
        assert!(!pipe.has(End::Read));
    }

    #[test]
    fn an_end_meets_one_that_has_gone_again() {
        let mut pipe = PipeBuffer::new(vec![0; 8]);
        let mut wakes = Wakes::default();
        let reader = pipe.open_to_meet(End::Read, &mut wakes);
        assert!(!pipe.has_met(reader));
        let writer = pipe.open_to_meet(End::Write, &mut wakes);
        pipe.close(End::Write, &mut wakes);
        assert!(pipe.has_met(reader) && pipe.has_met(writer));
        // But not one that had gone before.
        let late = pipe.open_to_meet(End::Read, &mut wakes);
        assert!(!pipe.has_met(late));
    }

    proptest! {
        #[test]
        fn behaves_like_a_bounded_queue(
            capacity in 1..20usize,
            ops in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..30usize), 0..200),
        ) {
            let mut pipe = pipe(capacity);
            let mut plain = VecDeque::new();
            let mut next = 0u8;
            for (writes, whole, len) in ops {
                let mut wakes = Wakes::default();
                if writes {
                    let bytes: Vec<u8> = (0..len).map(|n| next.wrapping_add(n as u8)).collect();
                    let room = capacity - plain.len();
                    let expected = match room.min(len) {
                        0 if len > 0 => None,
                        count if whole && count < len => None,
                        count => Some(Ok(count)),
                    };
                    prop_assert_eq!(pipe.write(&bytes, whole, &mut wakes), expected);
                    if let Some(Ok(count)) = expected {
                        plain.extend(&bytes[..count]);
                        next = next.wrapping_add(count as u8);
                        prop_assert!(wakes.takers == 1);
                        prop_assert_eq!(wakes.givers == 1, plain.len() < capacity);
                    }
                } else {
                    let mut buffer = vec![0; len];
                    let read = pipe.read(&mut buffer, &mut wakes);
                    let count = len.min(plain.len());
                    prop_assert_eq!(read, (count > 0 || len == 0).then_some(count));
                    let expected: Vec<u8> = plain.drain(..count).collect();
                    prop_assert_eq!(&buffer[..count], &expected[..]);
                    prop_assert_eq!(wakes.givers == 1, count > 0);
                }
                prop_assert_eq!(pipe.len(), plain.len());
            }
        }
    }
}
