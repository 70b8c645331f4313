//! Asking the system which descriptors are ready, from whichever worker has nothing else to do.
//!
//! # Protocol
//! One worker at a time takes a turn: it waits in the system's selector (`mio`), then enters each
//! event into the place of its source, and wakes who waits for it. Sources are registered once and
//! edge-triggered. A source has a place in a table, by whose number and generation its events are
//! known (`readiness.rs`): an event finds its place by an index, and one of a closed descriptor
//! finds that the generation has passed. Places are used again, so a connection allocates nothing
//! here once there have been as many before.
//!
//! A turn takes few events, [`EVENTS`]; the others stay with the system, which keeps them in
//! order. So all workers serve one queue, whose first is served by whoever is free: a worker that
//! the system stops holds up few connections, and none waits in the injector while later ones
//! overtake it.
//!
//! # Why nothing is lost
//! A worker that finds the reactor taken parks on its own token; the one inside is awake or can be
//! woken. Busy workers take turns without waiting at their regular looks, and so does the watch.
//!
//! # Errors
//! A wait that a signal interrupted has no events; the worker looks around and comes back with
//! the time that is left.

use std::{io, time::Duration, vec::Vec};

use core::task::Waker;
use exec_core::{
    sync::{
        Arc, Mutex, TryLock,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire},
        },
    },
    unwind,
};
use mio::{Events, Interest, Poll, Registry, Token, event};

use super::readiness::{READ_CLOSED, READABLE, Readiness, WRITABLE, WRITE_CLOSED};

/// The number of the reactor's own waker; no place has it, since none has the last index.
const WAKER: Token = Token(usize::MAX);
/// Events that one turn takes.
const EVENTS: usize = 16;
/// Half of a token's bits are the index, the other half the generation.
const INDEX_BITS: u32 = usize::BITS / 2;
/// Places that there can be.
const MOST_PLACES: usize = (1 << INDEX_BITS) - 1;

struct Selector {
    poll: Poll,
    events: Events,
}

/// Where the sources are.
#[derive(Default)]
struct Table {
    places: Vec<Arc<Readiness>>,
    free: Vec<usize>,
}

/// See the module head.
pub(crate) struct Reactor {
    selector: TryLock<Selector>,
    registry: Registry,
    waker: mio::Waker,
    /// Held for the length of one batch of events, or of one registration; no foreign code runs
    /// meanwhile.
    table: Mutex<Table>,
    /// How many sources there are.
    count: AtomicUsize,
}

/// A place in the reactor.
pub(crate) struct Place {
    index: usize,
    pub(crate) readiness: Arc<Readiness>,
}

impl Place {
    fn token(&self) -> Token {
        let generation = self.readiness.generation() as usize;
        // The upper half: on machines of 32 bits the generation is cut to fit.
        Token(generation << INDEX_BITS | self.index)
    }
}

/// The bits that an event stands for.
fn bits(event: &event::Event) -> u64 {
    let mut bits = 0;
    if event.is_readable() || event.is_priority() {
        bits |= READABLE;
    }
    if event.is_writable() {
        bits |= WRITABLE;
    }
    if event.is_read_closed() {
        bits |= READ_CLOSED;
    }
    if event.is_write_closed() {
        bits |= WRITE_CLOSED;
    }
    if event.is_error() {
        bits |= READABLE | WRITABLE;
    }
    bits
}

impl Table {
    /// Enters an event; returns whom to wake.
    fn enter(&self, event: &event::Event) -> [Option<Waker>; 2] {
        let token = event.token().0;
        // The waker's own token has an index that no place has.
        let Some(place) = self.places.get(token & MOST_PLACES) else {
            return [None, None];
        };
        let generation = place.generation();
        // As in `Place::token`: what does not fit into a token is not compared.
        let same = (generation as usize) << INDEX_BITS == token & !MOST_PLACES;
        if !same {
            return [None, None];
        }
        place.event(generation, bits(event))
    }
}

impl Reactor {
    /// A reactor without sources.
    ///
    /// # Errors
    /// The system's, when it gives no descriptor for it.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        Ok(Self {
            selector: TryLock::new(Selector {
                poll,
                events: Events::with_capacity(EVENTS),
            }),
            registry,
            waker,
            table: Mutex::default(),
            count: AtomicUsize::new(0),
        })
    }

    pub(crate) fn has_sources(&self) -> bool {
        // ORDERING: Acquire pairs with the Release half of `register`; a worker that misses a new
        // source is woken by nothing, so whoever registers rings the bell of a turn.
        self.count.load(Acquire) > 0
    }

    /// Makes a turn that waits, or the next one, return.
    pub(crate) fn wake(&self) {
        // The system refuses only when the counter behind it is full, and then it is awake.
        let _ = self.waker.wake();
    }

    /// Begins to watch `io`, which is `ready` for something from the beginning.
    pub(crate) fn register(
        &self,
        io: &mut impl event::Source,
        interest: Interest,
        ready: u64,
    ) -> io::Result<Place> {
        let place = self.table.lock().take()?;
        place.readiness.begin(ready);
        self.count.fetch_add(1, AcqRel);
        if let Err(error) = self.registry.register(io, place.token(), interest) {
            self.forget(&place);
            return Err(error);
        }
        Ok(place)
    }

    /// Ceases to watch `io`.
    pub(crate) fn deregister(&self, io: &mut impl event::Source, place: &Place) {
        // A descriptor that the system does not know any more needs no farewell.
        let _ = self.registry.deregister(io);
        self.forget(place);
    }

    /// Gives a place back.
    fn forget(&self, place: &Place) {
        let wakers = place.readiness.end();
        self.table.lock().free.push(place.index);
        self.count.fetch_sub(1, AcqRel);
        for waker in wakers.into_iter().flatten() {
            let _ = unwind::drop_caught(waker).map_err(unwind::discard);
        }
    }

    /// Waits for [`EVENTS`], `limit` at most, and tells them to their sources. `None`: another worker
    /// is inside; otherwise whether there was any event.
    pub(crate) fn turn(&self, limit: Option<Duration>) -> Option<bool> {
        // Held by the worker inside for as long as it waits; nobody ever waits for it.
        let (any, wakers) = self.selector.try_with(|selector| {
            let Selector { poll, events } = selector;
            // An interrupted wait has no events.
            if wait(poll, events, limit).is_err() || events.is_empty() {
                return (false, Vec::new());
            }
            let table = self.table.lock();
            let wakers = events.iter().flat_map(|event| table.enter(event));
            (true, wakers.flatten().collect())
        })?;
        // Wakers are foreign code, and are called when nothing is held.
        for waker in wakers {
            let _ = unwind::catch(|| waker.wake()).map_err(unwind::discard);
        }
        Some(any)
    }
}

/// Waits for events, to the nanosecond: the selector's own time limits are whole milliseconds,
/// which timers would be late by. So where there is a limit, it is the wait for the selector's
/// descriptor that has it.
fn wait(poll: &mut Poll, events: &mut Events, limit: Option<Duration>) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(limit) = limit
        && !limit.is_zero()
        && let Ok(limit) = rustix::event::Timespec::try_from(limit)
    {
        use rustix::event::{PollFd, PollFlags};
        use std::os::fd::{AsRawFd, BorrowedFd};
        // SAFETY: the descriptor is open for as long as `poll` is borrowed.
        let selector = unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) };
        let mut watched = [PollFd::new(&selector, PollFlags::IN)];
        if rustix::event::poll(&mut watched, Some(&limit))? == 0 {
            events.clear();
            return Ok(());
        }
        return poll.poll(events, Some(Duration::ZERO));
    }
    poll.poll(events, limit)
}

impl Table {
    fn take(&mut self) -> io::Result<Place> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() >= MOST_PLACES => {
                return Err(io::Error::new(
                    io::ErrorKind::OutOfMemory,
                    "the reactor has no place left; close sockets",
                ));
            }
            None => {
                self.places.push(Arc::new(Readiness::new()));
                self.places.len() - 1
            }
        };
        Ok(Place {
            index,
            readiness: self.places[index].clone(),
        })
    }
}
