//! The newest events of one thread.
//!
//! # Protocol
//! The writer, one thread, writes an event's two words and then moves `next`. A reader copies the
//! ring and looks at `next` before and after: what may have been overwritten meanwhile is left
//! out. The memory comes with the first recording, is published once and stays.

use alloc::{boxed::Box, collections::TryReserveError, vec::Vec};
use core::{fmt, ptr};

use exec_core::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use crate::event::{Entry, Event};

/// Two words an event: nanoseconds, and the event with its argument.
type Words = Box<[[AtomicU64; 2]]>;

/// See the module head.
pub struct Ring {
    /// Null until the first recording.
    words: AtomicPtr<Words>,
    /// Events ever written.
    next: AtomicU64,
    /// The first event of the current recording.
    from: AtomicU64,
}

impl Ring {
    /// An empty ring, which takes no memory yet.
    pub fn new() -> Self {
        Self {
            words: AtomicPtr::new(ptr::null_mut()),
            next: AtomicU64::new(0),
            from: AtomicU64::new(0),
        }
    }

    /// A new recording begins, from any thread: what is here is not part of it. The first call
    /// makes room for `capacity` events (16 to 2^24, rounded up to a power of two).
    ///
    /// # Panics
    /// If there is no memory for that.
    pub fn begin(&self, capacity: usize) {
        self.try_begin(capacity)
            .expect("there is no memory for a recording");
    }

    /// As [`begin`](Self::begin).
    ///
    /// # Errors
    /// If there is no memory for the events. Nothing has changed then.
    pub fn try_begin(&self, capacity: usize) -> Result<(), TryReserveError> {
        if self.words().is_none() {
            let capacity = capacity.clamp(16, 1 << 24).next_power_of_two();
            let mut words = Vec::new();
            words.try_reserve_exact(capacity)?;
            words.extend((0..capacity).map(|_| [AtomicU64::new(0), AtomicU64::new(0)]));
            let words = Box::into_raw(Box::new(words.into_boxed_slice()));
            // ORDERING: Release publishes the memory to `words`.
            let there = self
                .words
                .compare_exchange(ptr::null_mut(), words, Release, Relaxed);
            if there.is_err() {
                // SAFETY: made above, and another thread's was published instead.
                drop(unsafe { Box::from_raw(words) });
            }
        }
        // ORDERING: a recording begins about here.
        self.from.store(self.next.load(Relaxed), Relaxed);
        Ok(())
    }

    fn words(&self) -> Option<&Words> {
        // ORDERING: Acquire pairs with `begin`.
        let words = self.words.load(Acquire);
        // SAFETY: null, or memory that was published once and lives as long as the ring.
        unsafe { words.as_ref() }
    }

    /// Notes an event; lost when no recording has ever begun. Only one thread at a time may call
    /// this: others would overwrite each other's events, and no worse.
    #[inline]
    pub fn write(&self, at_ns: u64, event: Event, argument: u64) {
        let Some(words) = self.words() else { return };
        // ORDERING: one writer.
        let next = self.next.load(Relaxed);
        let [time, what] = &words[next as usize & (words.len() - 1)];
        let [first, second] = Entry::new(at_ns, event, argument).to_words();
        // ORDERING: pairs with the fence of `read`: who sees one of these words sees the `next`
        // that made its place this event's.
        time.store(first, Release);
        what.store(second, Release);
        // ORDERING: pairs with the Acquire of `read`: the words are written.
        self.next.store(next + 1, Release);
    }

    /// Copies the events of the recording that are still here, the oldest first.
    ///
    /// # Panics
    /// If there is no memory for the copy.
    pub fn read(&self) -> Vec<Entry> {
        self.try_read().expect("there is no memory for a copy")
    }

    /// As [`read`](Self::read).
    ///
    /// # Errors
    /// If there is no memory for the copy.
    pub fn try_read(&self) -> Result<Vec<Entry>, TryReserveError> {
        let Some(words) = self.words() else {
            return Ok(Vec::new());
        };
        let size = words.len() as u64;
        // ORDERING: pairs with the Release of `write`.
        let end = self.next.load(Acquire);
        let begin = self.from.load(Relaxed).max(end.saturating_sub(size));
        let mut copied: Vec<[u64; 2]> = Vec::new();
        let mut entries = Vec::new();
        copied.try_reserve_exact((end - begin) as usize)?;
        entries.try_reserve_exact((end - begin) as usize)?;
        copied.extend((begin..end).map(|at| {
            let [time, what] = &words[(at & (size - 1)) as usize];
            [time.load(Relaxed), what.load(Relaxed)]
        }));
        // ORDERING: pairs with the Release of the words in `write`.
        fence(Acquire);
        // The event after the last one may be half written over the oldest one copied.
        let gone = (self.next.load(Relaxed) + 1).saturating_sub(size);
        let whole = copied.into_iter().skip(gone.saturating_sub(begin) as usize);
        entries.extend(whole.filter_map(Entry::from_words));
        Ok(entries)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // ORDERING: nobody else has the ring.
        let words = self.words.load(Relaxed);
        if !words.is_null() {
            // SAFETY: published by `begin`, and freed here only.
            drop(unsafe { Box::from_raw(words) });
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.words().map_or(0, |words| words.len()))
            .field("written", &self.next.load(Relaxed))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use crate::event::Event;

    #[test]
    fn a_ring_keeps_the_newest() {
        let ring = Ring::new();
        ring.write(0, Event::JobStart, 0);
        assert!(ring.read().is_empty(), "nobody records yet");
        ring.begin(1);
        for job in 0..20 {
            ring.write(job, Event::JobStart, job);
        }
        // Of 20 events in a ring of 16 the last 15 are sure not to be overwritten.
        let kept = ring.read();
        assert_eq!(kept.len(), 15);
        assert_eq!(kept[0].argument, 5);
        assert_eq!(kept[14].argument, 19);
        ring.begin(1);
        assert!(ring.read().is_empty());
    }
}
