//! Where a worker parks: in the reactor if it can, on its ground's token otherwise.
//!
//! # States of a worker's bell
//! `rung`: a wake that the worker has not taken; `inside`: the worker is in the reactor.
//!
//! # Why nothing is lost
//! The worker says where it is going to park, **fences**, looks whether the bell has rung, and
//! parks. The ringer sets `rung`, **fences**, looks where the worker is, and wakes it there. One of
//! the two sees the other; a wake in the wrong place is a spurious one later.
//!
//! Without the feature `net` there is no reactor, and the bell is the ground's token.

use alloc::{sync::Arc, task::Wake};
use core::{task::Waker, time::Duration};

use exec_core::{
    Ground, Nanos,
    sync::{
        TryLock,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Relaxed, SeqCst},
            fence,
        },
        seeded, spin_loop,
    },
};

#[cfg(feature = "net")]
use crate::io::reactor::Reactor;

/// The reactor, where there is one.
pub struct Driver {
    #[cfg(feature = "net")]
    pub(crate) reactor: Arc<Reactor>,
}

impl Driver {
    /// Whether anything waits for the reactor.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        #[cfg(feature = "net")]
        return self.reactor.has_sources();
        #[cfg(not(feature = "net"))]
        return false;
    }

    /// Looks for events without waiting; `true` when there were any.
    pub(crate) fn look(&self) -> bool {
        #[cfg(feature = "net")]
        return self.is_used() && self.reactor.turn(Some(Duration::ZERO)) == Some(true);
        #[cfg(not(feature = "net"))]
        return false;
    }
}

/// Where a worker may park beside its ground's token.
pub trait ParkPlace {
    /// Whether it is of any use now.
    fn is_used(&self) -> bool;

    /// Parks in there until [`wake`](Self::wake) or something else, `limit` at most. `false`:
    /// another worker is in there.
    fn park(&self, limit: Option<Duration>) -> bool;

    /// Lets a park that goes on, or the next one, return.
    fn wake(&self);
}

impl ParkPlace for Driver {
    #[inline]
    fn is_used(&self) -> bool {
        Self::is_used(self)
    }

    fn park(&self, limit: Option<Duration>) -> bool {
        #[cfg(feature = "net")]
        return self.reactor.turn(limit).is_some();
        #[cfg(not(feature = "net"))]
        {
            let _ = limit;
            false
        }
    }

    fn wake(&self) {
        #[cfg(feature = "net")]
        self.reactor.wake();
    }
}

/// How a worker is woken, wherever it parks.
pub struct Bell<D = Driver> {
    rung: AtomicBool,
    inside: AtomicBool,
    /// The thread that parks by it. It changes only where there are no workers with threads of
    /// their own (`seat.rs`).
    thread: TryLock<Waker>,
    driver: Arc<D>,
}

impl<D: ParkPlace> Bell<D> {
    /// The bell of this thread.
    pub fn new(ground: impl Ground, driver: Arc<D>) -> Arc<Self> {
        Arc::new(Self {
            rung: AtomicBool::new(false),
            inside: AtomicBool::new(false),
            thread: TryLock::new(ground.unparker()),
            driver,
        })
    }

    /// It wakes this thread from now on.
    pub(crate) fn sit(&self, ground: &impl Ground) {
        let thread = ground.unparker();
        self.with_thread(|place| *place = thread.clone());
    }

    fn with_thread<R>(&self, mut f: impl FnMut(&mut Waker) -> R) -> R {
        loop {
            // Held for a few instructions, by one that sits down or by one that rings.
            if let Some(result) = self.thread.try_with(&mut f) {
                return result;
            }
            spin_loop();
        }
    }

    /// Parks this thread, whose bell this is, until the bell rings, `until` at the latest.
    pub fn park(&self, ground: impl Ground, until: Option<Nanos>) {
        let inside = self.driver.is_used();
        // ORDERING: the fence is in `rang`, after each of these stores.
        self.inside.store(inside, Relaxed);
        let parked = self.rang() || (inside && self.park_inside(&ground, until));
        if !parked {
            // There is no reactor, or another worker is inside.
            self.inside.store(false, Relaxed);
            if seeded("bell: the parker does not look again") || !self.rang() {
                ground.park(until);
            }
        }
        self.inside.store(false, Relaxed);
        // ORDERING: Acquire pairs with `ring`: what came before it is seen. A ring that comes after
        // this is for the next park.
        self.rung.swap(false, AcqRel);
    }

    fn rang(&self) -> bool {
        // ORDERING: pairs with the fence in `wake_by_ref`.
        fence(SeqCst);
        self.rung.load(Relaxed)
    }

    /// `false`: another worker is in there.
    fn park_inside(&self, ground: &impl Ground, until: Option<Nanos>) -> bool {
        let limit = until.map(|at| at.saturating_since(ground.now()));
        self.driver.park(limit)
    }
}

impl<D: ParkPlace + Send + Sync + 'static> Wake for Bell<D> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, AcqRel) {
            // It has not taken the former ring yet, and will see everything when it does.
            return;
        }
        if !seeded("bell: the ringer does not fence") {
            // ORDERING: pairs with the fence in `rang`.
            fence(SeqCst);
        }
        if self.inside.load(Relaxed) {
            self.driver.wake();
        } else {
            self.with_thread(|thread| thread.clone()).wake();
        }
    }
}
