//! Asking the system which sockets are ready, from whichever worker has nothing else to do.
//!
//! # Protocol
//! One worker at a time takes a turn: it waits in the system's selector (`mio`), then marks each
//! source that has an event as ready and wakes who waits for it. Sources are registered once and
//! edge-triggered; their numbers count up and are never used again, so an event of a closed
//! descriptor finds no source, whatever the system does with the descriptor's number.
//!
//! # Why nothing is lost
//! A worker that finds the reactor taken parks on its own token; the one inside is awake or can be
//! woken. Busy workers take turns without waiting at their regular looks, and so does the watch.

use std::{collections::HashMap, io, time::Duration, vec::Vec};

use exec_core::sync::{
    Arc, Mutex, TryLock,
    atomic::{
        AtomicUsize,
        Ordering::{Acquire, Relaxed},
    },
};
use mio::{Events, Interest, Poll, Registry, Token, event};

use super::source::Source;

/// The number of the reactor's own waker.
const WAKER: Token = Token(0);
/// Events that one turn takes.
const EVENTS: usize = 512;

struct Selector {
    poll: Poll,
    events: Events,
}

/// See the module head.
pub(crate) struct Reactor {
    selector: TryLock<Selector>,
    registry: Registry,
    waker: mio::Waker,
    sources: Mutex<HashMap<Token, Arc<Source>>>,
    next: AtomicUsize,
    /// How many sources there are.
    count: AtomicUsize,
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
            sources: Mutex::default(),
            next: AtomicUsize::new(WAKER.0 + 1),
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

    /// Begins to watch `io`.
    pub(crate) fn register(
        &self,
        io: &mut impl event::Source,
        interest: Interest,
    ) -> io::Result<Arc<Source>> {
        // ORDERING: a number of its own is all that is asked.
        let token = Token(self.next.fetch_add(1, Relaxed));
        let source = Arc::new(Source::new(token));
        self.sources.lock().insert(token, source.clone());
        self.count
            .fetch_add(1, exec_core::sync::atomic::Ordering::AcqRel);
        if let Err(error) = self.registry.register(io, token, interest) {
            self.forget(token);
            return Err(error);
        }
        Ok(source)
    }

    /// Ceases to watch `io`.
    pub(crate) fn deregister(&self, io: &mut impl event::Source, source: &Source) {
        // A descriptor that the system does not know any more needs no farewell.
        let _ = self.registry.deregister(io);
        self.forget(source.token());
    }

    fn forget(&self, token: Token) {
        if self.sources.lock().remove(&token).is_some() {
            self.count
                .fetch_sub(1, exec_core::sync::atomic::Ordering::AcqRel);
        }
    }

    /// Waits for events, `limit` at most, and tells them to their sources. `None`: another worker
    /// is inside; otherwise whether there was any event.
    pub(crate) fn turn(&self, limit: Option<Duration>) -> Option<bool> {
        // Held by the worker inside for as long as it waits; nobody ever waits for it.
        let ready: Vec<(Arc<Source>, u32)> = self.selector.try_with(|selector| {
            let Selector { poll, events } = selector;
            // An interrupted wait has no events; the worker looks around and comes back.
            if poll.poll(events, limit).is_err() {
                return Vec::new();
            }
            let sources = self.sources.lock();
            events
                .iter()
                .filter(|event| event.token() != WAKER)
                .filter_map(|event| {
                    let source = sources.get(&event.token())?;
                    Some((source.clone(), Source::bits(event)))
                })
                .collect()
        })?;
        let any = !ready.is_empty();
        // Wakers are foreign code, and are called when nothing is held.
        for (source, bits) in ready {
            source.set_ready(bits);
        }
        Some(any)
    }
}
