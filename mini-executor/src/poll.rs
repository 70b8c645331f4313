//! Looking out for work for a short while before going to sleep.
//!
//! Waking a thread on another core takes tens of microseconds, and work often comes in bursts
//! with shorter gaps. So one thread at most, of all that have nothing to do, keeps looking for a
//! bounded time, at most [`MOST`], before it sleeps. The time adapts: it doubles when looking
//! paid off, and halves when it did not, down to nothing; then it is tried again at every
//! [`PROBE`]th sleep. Nobody looks out where that takes a CPU from one who works: on a ground that
//! runs one thread at a time, and while the workers and callers that are awake need all CPUs.

use core::cell::Cell;
use core::time::Duration;

use exec_core::sync::{
    atomic::{
        AtomicBool, AtomicU32,
        Ordering::{AcqRel, Relaxed, Release},
    },
    spin_loop,
};
use exec_core::{Ground, Nanos};

/// The longest look-out, in nanoseconds.
const MOST: u32 = 50_000;
/// A look-out that got shorter than this is not worth its clock readings.
const LEAST: u32 = 1_500;
/// What a probe tries.
const TRY: u32 = 12_000;
/// Sleeps without a look-out between two probes.
const PROBE: u32 = 16;
/// Spins between two looks.
const SPINS: u32 = 8;

/// The one place on the look-out.
#[derive(Debug)]
pub(crate) struct Lookout {
    taken: AtomicBool,
    /// How many threads the ground runs side by side.
    cpus: usize,
}

impl Lookout {
    pub(crate) fn new(ground: &impl Ground) -> Self {
        Self {
            taken: AtomicBool::new(false),
            cpus: ground.parallelism(),
        }
    }

    /// Takes the place if it is free, and so many threads that are `awake`, the caller's among them,
    /// leave it a CPU.
    pub(crate) fn take(&self, awake: impl FnOnce() -> usize) -> bool {
        // ORDERING: the place orders nothing; who finds it taken just sleeps.
        self.is_useful()
            && !self.taken.load(Relaxed)
            && awake() <= self.cpus
            && !self.taken.swap(true, AcqRel)
    }

    /// Gives the place back.
    pub(crate) fn leave(&self) {
        self.taken.store(false, Release);
    }

    /// Whether somebody looks out now, as a hint.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.load(Relaxed)
    }

    /// Whether looking out makes sense at all.
    pub(crate) fn is_useful(&self) -> bool {
        self.cpus > 1
    }
}

/// How long one worker looks out; it adapts.
#[derive(Debug)]
pub(crate) struct Patience {
    nanos: Cell<u32>,
    sleeps: Cell<u32>,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            nanos: Cell::new(TRY),
            sleeps: Cell::new(0),
        }
    }

    /// How long to look out this time; zero: not at all.
    pub(crate) fn now(&self) -> Duration {
        let nanos = self.nanos.get();
        if nanos > 0 {
            return Duration::from_nanos(nanos.into());
        }
        let sleeps = self.sleeps.get() + 1;
        if sleeps < PROBE {
            self.sleeps.set(sleeps);
            return Duration::ZERO;
        }
        self.sleeps.set(0);
        Duration::from_nanos(TRY.into())
    }

    /// What came of it.
    pub(crate) fn learn(&self, paid_off: bool) {
        self.nanos.set(adapt(self.nanos.get(), paid_off));
    }
}

/// The patience of threads that drive a future from outside, which share it.
#[derive(Debug)]
pub(crate) struct SharedPatience(AtomicU32);

impl SharedPatience {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(TRY))
    }

    pub(crate) fn now(&self) -> Duration {
        // ORDERING: a guess about the future.
        Duration::from_nanos(self.0.load(Relaxed).into())
    }

    pub(crate) fn learn(&self, paid_off: bool) {
        // There is no count of sleeps here, so it never quite gives up.
        let next = adapt(self.0.load(Relaxed), paid_off).max(LEAST);
        self.0.store(next, Relaxed);
    }
}

fn adapt(nanos: u32, paid_off: bool) -> u32 {
    if paid_off {
        (nanos.max(TRY / 2) * 2).min(MOST)
    } else if nanos / 2 < LEAST {
        0
    } else {
        nanos / 2
    }
}

/// Looks until `seen` or until `time` has passed, or until `limit`; `true` when it has seen it.
pub(crate) fn look_out(
    ground: &impl Ground,
    time: Duration,
    limit: Nanos,
    seen: impl Fn() -> bool,
) -> bool {
    let until = ground.now().saturating_add(time).min(limit);
    loop {
        if seen() {
            return true;
        }
        for _ in 0..SPINS {
            spin_loop();
        }
        if ground.now() >= until {
            return seen();
        }
    }
}
