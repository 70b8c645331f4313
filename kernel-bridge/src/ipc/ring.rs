//! A ring of bytes in shared memory, from one producer to one consumer.
//!
//! # Protocol
//! The region is divided into places of [`PLACE`] bytes. `free` counts those that may be written, `used`
//! those that may be read. The producer takes a free place, writes it and posts a used one; the
//! consumer the other way round. Each walks round by itself: with one of each, no lock is needed.
//! A message takes as many places as it needs, from the beginning of one; both sides know its length.
//!
//! # Why nothing is lost
//! Each place is counted by exactly one of the two semaphores, or held by the one who took it. What
//! was written before a post is seen by who takes it. A side that ends in between leaves the other
//! waiting, as it can't know.

use alloc::sync::Arc;

use exec_core::sync::atomic::Ordering::Relaxed;

use super::{Ipc, IpcError, Region as _, Semaphore as _, Wait};

/// Bytes that are handed over at once.
const PLACE: usize = 4096;
const WORDS: usize = PLACE / 4;

/// What a ring consists of, which both its ends have.
pub struct RingParts<I: Ipc> {
    /// The places.
    pub region: I::Region,
    /// Counts those that may be written.
    pub free: I::Semaphore,
    /// Counts those that may be read.
    pub used: I::Semaphore,
}

impl<I: Ipc> RingParts<I> {
    /// Those of an empty ring of so many places of 4 KiB.
    ///
    /// # Errors
    /// Those of the ground; [`IpcError::BadArgument`] for no places.
    pub fn new(ipc: I, places: usize) -> Result<Self, IpcError> {
        let count = u32::try_from(places).map_err(|_| IpcError::BadArgument)?;
        let words = places.checked_mul(WORDS).ok_or(IpcError::BadArgument)?;
        Ok(Self {
            region: ipc.region(words)?,
            free: ipc.semaphore(count)?,
            used: ipc.semaphore(0)?,
        })
    }
}

/// One end of a ring: the producer's or the consumer's, as it is used.
///
/// # Examples
/// ```
/// # #[cfg(target_os = "linux")] {
/// use kernel_bridge::Host;
/// use kernel_bridge::ipc::{Ring, RingParts};
///
/// let mut ring = Ring::new(RingParts::new(Host, 16).unwrap());
/// ring.send(b"to be").unwrap();
/// # }
/// ```
pub struct Ring<I: Ipc> {
    parts: Arc<RingParts<I>>,
    /// The place that is next for this end.
    next: usize,
}

impl<I: Ipc> Ring<I> {
    /// An end at the first place. Two ends in one program, or of a process and its copy, may share the
    /// parts.
    ///
    /// # Panics
    /// Where the region has no place.
    #[must_use]
    pub fn new(parts: impl Into<Arc<RingParts<I>>>) -> Self {
        let parts = parts.into();
        assert!(
            parts.region.words().len() >= WORDS,
            "a ring needs a place of 4 KiB"
        );
        Self { parts, next: 0 }
    }

    /// The parts, to be made known to the other end.
    pub fn parts(&self) -> &RingParts<I> {
        &self.parts
    }

    /// Sends a message. One thread of one process does so.
    ///
    /// # Errors
    /// Those of a semaphore.
    ///
    /// # Blocking
    /// While there is no room.
    pub fn send(&mut self, message: &[u8]) -> Result<(), IpcError> {
        for bytes in message.chunks(PLACE) {
            self.parts.free.take(Wait::Forever)?;
            // ORDERING: Relaxed, here and in `receive`: the semaphores order the rest.
            let (whole, rest) = bytes.as_chunks();
            let place = self.place();
            let words = &self.parts.region.words()[place..];
            for (word, bytes) in words.iter().zip(whole) {
                word.store(u32::from_le_bytes(*bytes), Relaxed);
            }
            if !rest.is_empty() {
                let mut last = [0; 4];
                last[..rest.len()].copy_from_slice(rest);
                words[whole.len()].store(u32::from_le_bytes(last), Relaxed);
            }
            self.parts.used.post()?;
        }
        Ok(())
    }

    /// Receives a message of a length that both sides know. One thread of one process does so.
    ///
    /// # Errors
    /// Those of a semaphore.
    ///
    /// # Blocking
    /// Until all of it has come.
    pub fn receive(&mut self, message: &mut [u8]) -> Result<(), IpcError> {
        for bytes in message.chunks_mut(PLACE) {
            self.parts.used.take(Wait::Forever)?;
            let (whole, rest) = bytes.as_chunks_mut();
            let place = self.place();
            let words = &self.parts.region.words()[place..];
            for (word, bytes) in words.iter().zip(&mut *whole) {
                *bytes = word.load(Relaxed).to_le_bytes();
            }
            if !rest.is_empty() {
                let last = words[whole.len()].load(Relaxed).to_le_bytes();
                rest.copy_from_slice(&last[..rest.len()]);
            }
            self.parts.free.post()?;
        }
        Ok(())
    }

    /// The first word of this end's next place; the one after it is next then.
    fn place(&mut self) -> usize {
        let places = self.parts.region.words().len() / WORDS;
        let place = self.next;
        self.next = (place + 1) % places;
        place * WORDS
    }
}

#[cfg(all(test, feature = "std", target_os = "linux", not(loom)))]
mod tests {
    use std::os::fd::{AsFd as _, BorrowedFd};

    use super::super::host::{HostRegion, HostSemaphore};
    use super::*;
    use crate::Host;

    fn pair(places: usize) -> (Ring<Host>, Ring<Host>) {
        let parts = RingParts::new(Host, places).expect("memory");
        let again = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().expect("a descriptor");
        let semaphore = |one: &HostSemaphore| {
            HostSemaphore::from_descriptor(again(one.as_fd())).expect("a semaphore")
        };
        let other = Ring::new(RingParts {
            region: HostRegion::from_descriptor(again(parts.region.as_fd())).expect("a region"),
            free: semaphore(&parts.free),
            used: semaphore(&parts.used),
        });
        (Ring::new(parts), other)
    }

    fn bytes(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + seed) as u8).collect()
    }

    #[test]
    fn messages_of_any_length_come_whole_and_in_order() {
        let (mut to, mut from) = pair(2);
        let lens = [0, 1, 3, 4, 5, PLACE - 1, PLACE, PLACE + 1, 5 * PLACE + 2];
        let sender = std::thread::spawn(move || {
            for (seed, len) in lens.into_iter().enumerate() {
                to.send(&bytes(len, seed)).expect("sent");
            }
        });
        for (seed, len) in lens.into_iter().enumerate() {
            let mut message = vec![0; len];
            from.receive(&mut message).expect("received");
            assert!(message == bytes(len, seed), "{len} bytes");
        }
        sender.join().expect("no panic");
    }

    #[test]
    fn no_ring_without_a_place() {
        assert!(RingParts::new(Host, 0).is_err());
        assert!(RingParts::new(Host, usize::MAX).is_err());
    }
}
