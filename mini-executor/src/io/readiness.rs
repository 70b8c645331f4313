//! What one descriptor is ready for, and who waits for that.
//!
//! # States
//! One word: four bits of readiness (readable, writable, and each "for good" once the peer has
//! closed), two bits that say that a task waits to read or to write, a count of events, and the
//! generation: how often the place has changed its owner.
//!
//! # Protocol
//! * Reactor: exchanges the word for one with the event's bits, one more event and without the
//!   bits of those who waited for it, provided that the generation is the one that the event was
//!   asked for. Then it takes the wakers of those who waited, and calls them when nothing is held.
//! * Task: tries the operation if the bit is set. If the system says that it would block, or if
//!   less came than would have fitted, the task clears the bit, but only if there was no event
//!   since it read the word. If the bit is clear, it leaves its waker, and then exchanges the word
//!   for one that says that it waits, which tells it what was there.
//! * Owner that goes: exchanges the word for one of the next generation, with nothing else in it.
//!
//! # Why nothing is lost
//! An event between a try and the clearing changes the count, so the bit stays. The event's
//! exchange and that of the task that begins to wait are in one order: if the event's is first,
//! the task sees the bit; if the task's is first, the event sees that it waits, and the waker was
//! there before. Readers read the word with exchanges where it matters, so none is old.
//!
//! # Why nothing reaches the wrong one
//! An event of a descriptor that was closed carries a generation that has passed, so it changes
//! nothing, whoever has the place or the descriptor's number now.

use core::task::{Context, Poll, Waker};

use exec_core::sync::{
    Mutex,
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire},
    },
    seeded,
};

/// Something can be read.
pub const READABLE: u64 = 1 << 0;
/// Something can be written.
pub const WRITABLE: u64 = 1 << 1;
/// The peer writes no more: reading never blocks again.
pub const READ_CLOSED: u64 = 1 << 2;
/// The peer reads no more: writing never blocks again.
pub const WRITE_CLOSED: u64 = 1 << 3;
/// A task waits to read.
const READER: u64 = 1 << 4;
/// A task waits to write.
const WRITER: u64 = 1 << 5;
/// One event. The count wraps after 2²⁶ events, all of which would have to come between a task's
/// try and its clearing for one to be missed.
const EVENT: u64 = 1 << 6;
const EVENTS: u64 = GENERATION - EVENT;
/// One owner.
const GENERATION: u64 = 1 << 32;

/// Which way an operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It reads, or accepts.
    In,
    /// It writes, or connects.
    Out,
}

impl Way {
    const fn mask(self) -> u64 {
        match self {
            Self::In => READABLE | READ_CLOSED,
            Self::Out => WRITABLE | WRITE_CLOSED,
        }
    }

    const fn passing(self) -> u64 {
        match self {
            Self::In => READABLE,
            Self::Out => WRITABLE,
        }
    }

    const fn waits(self) -> u64 {
        match self {
            Self::In => READER,
            Self::Out => WRITER,
        }
    }
}

/// The word as a task has seen it; needed to say later that what it saw has passed.
#[derive(Clone, Copy, Debug)]
pub struct Seen(u64);

/// See the module head.
#[derive(Debug)]
pub struct Readiness {
    word: AtomicU64,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Ready for nothing, in generation 0.
    pub fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            reader: Mutex::new(None),
            writer: Mutex::new(None),
        }
    }

    fn waker(&self, way: Way) -> &Mutex<Option<Waker>> {
        match way {
            Way::In => &self.reader,
            Way::Out => &self.writer,
        }
    }

    /// The generation of the present owner.
    pub fn generation(&self) -> u32 {
        (self.word.load(Acquire) / GENERATION) as u32
    }

    /// Owner that comes: what it is ready for from the beginning.
    pub fn begin(&self, bits: u64) {
        self.word.fetch_or(bits, AcqRel);
    }

    /// Owner that goes. What it left is returned, to be dropped where foreign code may run.
    pub fn end(&self) -> [Option<Waker>; 2] {
        let _ = self.word.fetch_update(AcqRel, Acquire, |word| {
            let generation = (word / GENERATION).wrapping_add(1);
            Some(generation.wrapping_mul(GENERATION))
        });
        [self.reader.lock().take(), self.writer.lock().take()]
    }

    /// Reactor: an event of `generation` came. Returns whom to wake.
    pub fn event(&self, generation: u32, bits: u64) -> [Option<Waker>; 2] {
        let woken = [Way::In, Way::Out]
            .into_iter()
            .filter(|way| bits & way.mask() != 0)
            .fold(0, |woken, way| woken | way.waits());
        // ORDERING: Release publishes what the system did before the event; Acquire pairs with
        // `poll_ready`: who is said to wait has left its waker.
        let before = self.word.fetch_update(AcqRel, Acquire, |word| {
            if (word / GENERATION) as u32 != generation && !seeded("readiness: any generation") {
                return None;
            }
            let count = word.wrapping_add(EVENT) & EVENTS;
            Some(((word | bits) & !woken & !EVENTS) | count)
        });
        let Ok(before) = before else {
            return [None, None];
        };
        [Way::In, Way::Out].map(|way| {
            let wanted = before & woken & way.waits() != 0;
            wanted.then(|| self.waker(way).lock().take()).flatten()
        })
    }

    /// Task: what it is ready for, once that includes `way`.
    pub fn poll_ready(&self, way: Way, cx: &mut Context<'_>) -> Poll<Seen> {
        // ORDERING: Acquire pairs with `event`.
        let word = self.word.load(Acquire);
        if word & way.mask() != 0 {
            return Poll::Ready(Seen(word));
        }
        // The clone and the drop are foreign code, so the lock is not held then.
        let waker = cx.waker().clone();
        let former = self.waker(way).lock().replace(waker);
        drop(former);
        if seeded("readiness: no second look") {
            self.word.fetch_or(way.waits(), AcqRel);
            return Poll::Pending;
        }
        // ORDERING: Release publishes the waker to `event`, Acquire as above.
        let word = self.word.fetch_or(way.waits(), AcqRel);
        if word & way.mask() != 0 {
            return Poll::Ready(Seen(word));
        }
        Poll::Pending
    }

    /// Task: what it saw has passed.
    pub fn clear(&self, way: Way, seen: Seen) {
        let _ = self.word.fetch_update(AcqRel, Acquire, |word| {
            let same = (word ^ seen.0) & EVENTS == 0;
            (same || seeded("readiness: clears an event")).then_some(word & !way.passing())
        });
    }
}
