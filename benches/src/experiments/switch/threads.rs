//! The sides as two threads, and the ways in which a thread waits for its turn.
//!
//! # Protocol
//! 1. The other side enters, gives this side the turn, to say that it is there, and waits.
//! 2. With its turn it walks, counts, and gives the turn back.
//! 3. At the end, this side sets `over` and gives the turn once more: the other side ends.
//!
//! # Why nothing is lost
//! A turn is a state (or a byte in a pipe), not an event: who waits looks at it before it sleeps, and
//! again after each wake. `over` is set before the turn that carries it is given.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};

use anyhow::{Context as _, ensure};
use exec_core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::pair::Pair;
use super::working_set::WorkingSet;
use crate::cpus;

/// This side.
const THIS: usize = 0;
/// The other side.
const OTHER: usize = 1;

/// How a thread gets and gives the turn.
pub(super) trait Turn: Send + Sync + 'static {
    /// Called by each side's thread before all else.
    fn enter(&self, _side: usize) {}
    /// Gives it to a side.
    fn give(&self, side: usize) -> io::Result<()>;
    /// Waits until a side has it, which is the caller's.
    fn wait(&self, side: usize) -> io::Result<()>;
}

/// By `park`: a futex of each thread.
pub(super) struct Parking {
    turn: AtomicUsize,
    threads: [OnceLock<Thread>; 2],
}

impl Parking {
    pub(super) fn new() -> Self {
        Self {
            turn: AtomicUsize::new(OTHER),
            threads: Default::default(),
        }
    }
}

impl Turn for Parking {
    fn enter(&self, side: usize) {
        self.threads[side].get_or_init(thread::current);
    }

    fn give(&self, side: usize) -> io::Result<()> {
        // ORDERING: Release, with the Acquire of `wait`: what was done before is seen by the other.
        self.turn.store(side, Ordering::Release);
        if let Some(thread) = self.threads[side].get() {
            thread.unpark();
        }
        Ok(())
    }

    fn wait(&self, side: usize) -> io::Result<()> {
        // ORDERING: Acquire, with the Release of `give`.
        while self.turn.load(Ordering::Acquire) != side {
            thread::park();
        }
        Ok(())
    }
}

/// By a lock and a condition.
pub(super) struct Condition {
    turn: Mutex<usize>,
    given: [Condvar; 2],
}

impl Condition {
    pub(super) fn new() -> Self {
        Self {
            turn: Mutex::new(OTHER),
            given: Default::default(),
        }
    }
}

impl Turn for Condition {
    fn give(&self, side: usize) -> io::Result<()> {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = side;
        self.given[side].notify_one();
        Ok(())
    }

    fn wait(&self, side: usize) -> io::Result<()> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while *turn != side {
            let wait = self.given[side].wait(turn);
            turn = wait.unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// By giving way until it is there.
pub(super) struct Yielding(AtomicUsize);

impl Yielding {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(OTHER))
    }
}

impl Turn for Yielding {
    fn give(&self, side: usize) -> io::Result<()> {
        // ORDERING: Release, with the Acquire of `wait`.
        self.0.store(side, Ordering::Release);
        Ok(())
    }

    fn wait(&self, side: usize) -> io::Result<()> {
        // ORDERING: Acquire, with the Release of `give`.
        while self.0.load(Ordering::Acquire) != side {
            thread::yield_now();
        }
        Ok(())
    }
}

/// By a byte in a pipe.
pub(super) struct Pipes([(PipeReader, PipeWriter); 2]);

impl Pipes {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self([io::pipe()?, io::pipe()?]))
    }
}

impl Turn for Pipes {
    fn give(&self, side: usize) -> io::Result<()> {
        let (_, writer) = &self.0[side];
        { writer }.write_all(&[0])
    }

    fn wait(&self, side: usize) -> io::Result<()> {
        let (reader, _) = &self.0[side];
        { reader }.read_exact(&mut [0])
    }
}

/// A pair of threads; this side is the thread that uses it.
pub(super) struct Threads<T: Turn> {
    shared: Arc<Shared<T>>,
    other: Option<JoinHandle<anyhow::Result<()>>>,
}

struct Shared<T> {
    turn: T,
    over: AtomicBool,
    /// The other side's turns.
    turns: AtomicU64,
    set: Arc<WorkingSet>,
}

impl<T: Turn> Threads<T> {
    /// Starts the other side on a CPU.
    pub(super) fn start(turn: T, other: usize, set: &Arc<WorkingSet>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            turn,
            over: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            set: Arc::clone(set),
        });
        shared.turn.enter(THIS);
        let theirs = Arc::clone(&shared);
        // A set of its own: the two must not find each other's lines in the caches.
        let set = WorkingSet::new(set.bytes());
        let body = move || theirs.take_turns(&set);
        let start = || thread::Builder::new().spawn(body);
        let other = cpus::elsewhere(other, start)?.context("could not start a thread")?;
        shared.turn.wait(THIS)?;
        Ok(Self {
            shared,
            other: Some(other),
        })
    }
}

impl<T: Turn> Shared<T> {
    /// The other side's life.
    fn take_turns(&self, set: &WorkingSet) -> anyhow::Result<()> {
        self.turn.enter(OTHER);
        loop {
            self.turn.give(THIS)?;
            self.turn.wait(OTHER)?;
            // ORDERING: Relaxed: the turn orders it.
            if self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
            // A walk that went wrong is a turn too few for this side, which says so.
            let walked = u64::from(set.walk().is_ok());
            // ORDERING: Relaxed: the turn orders it.
            self.turns.fetch_add(walked, Ordering::Relaxed);
        }
    }
}

impl<T: Turn> Pair for Threads<T> {
    fn go(&mut self, turns: u64) -> anyhow::Result<()> {
        let shared = &*self.shared;
        let before = shared.turns.load(Ordering::Relaxed);
        for _ in 0..turns {
            shared.set.walk()?;
            shared.turn.give(OTHER)?;
            shared.turn.wait(THIS)?;
        }
        let taken = shared.turns.load(Ordering::Relaxed) - before;
        ensure!(
            taken == turns,
            "the other side had {taken} turns of {turns}"
        );
        Ok(())
    }
}

impl<T: Turn> Drop for Threads<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: the turn orders it.
        self.shared.over.store(true, Ordering::Relaxed);
        let given = self.shared.turn.give(OTHER);
        if let (Ok(()), Some(other)) = (given, self.other.take()) {
            let ended = other.join().map_err(|_| "it panicked");
            let ended = ended.map(|ended| ended.context("it failed"));
            debug_assert!(matches!(ended, Ok(Ok(()))), "the other side: {ended:?}");
        }
    }
}
