//! What an executor and its threads share: who may start, who still runs, and the end.
//!
//! # States
//! One word: `CLOSED` (set by a shutdown, never cleared: no new thread is admitted) and the
//! number of threads that were admitted and have not left.
//!
//! # Protocol
//! A spawn is admitted by one exchange of the word, so the limit is exact, and a spawn is either
//! before the close (and will be waited for) or refused. A thread leaves as its last act for the
//! executor. A shutdown closes, then waits for the number to be zero.
//!
//! # Why nothing is lost
//! After the close the number only falls, and the thread that takes it to zero wakes every
//! shutdown that waits ([`Waiters`] tells how the two meet).
//!
//! # Shutdown
//! A future that waits counts as a running thread: that is what it is. `Drain` waits for it. The
//! other two cancel it through the list of [`Drivers`], and its thread then ends by itself.

use core::{mem, ptr};

use exec_core::{
    Nanos, Payload, Shutdown, ShutdownReport, Stats, ThreadSpec, Threads,
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    unwind,
};

use super::{
    builder::{Builder, PanicHandler},
    driver::Drivers,
};
use crate::waiters::Waiters;

/// No thread is admitted any more.
const CLOSED: usize = 1 << 0;
/// One admitted thread.
const ONE: usize = 1 << 1;

/// Why a spawn was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Closed,
    AtLimit,
}

pub(super) struct Shared<T> {
    pub(super) ground: T,
    pub(super) spec: ThreadSpec,
    pub(super) drivers: Drivers,
    limit: usize,
    state: AtomicUsize,
    drained: Waiters,
    panic_handler: Option<PanicHandler>,
    counts: Counts,
}

/// Figures for [`Stats`]; nothing is decided by them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) scheduled: AtomicU64,
    pub(super) ran: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) finished: AtomicU64,
    pub(super) threads: AtomicU64,
    pub(super) parks: AtomicU64,
    pub(super) wakes: AtomicU64,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64) {
        // ORDERING: a figure; nothing depends on when it is seen.
        counter.fetch_add(1, Relaxed);
    }

    fn get(counter: &AtomicU64) -> u64 {
        // ORDERING: as `add`.
        counter.load(Relaxed)
    }
}

impl<T: Threads> Shared<T> {
    pub(super) fn new(builder: Builder<T>) -> Self {
        Self {
            ground: T::default(),
            spec: builder.spec,
            drivers: Drivers::new(),
            limit: builder.limit,
            state: AtomicUsize::new(0),
            drained: Waiters::new(),
            panic_handler: builder.panic_handler,
            counts: Counts::default(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Counts one more thread, which calls [`leave`](Self::leave) at its end.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        // ORDERING: only a guess, checked by the exchange.
        let mut now = self.state.load(Relaxed);
        loop {
            if now & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            if now / ONE >= self.limit {
                return Err(Refusal::AtLimit);
            }
            // ORDERING: nothing is published by starting.
            match self
                .state
                .compare_exchange_weak(now, now + ONE, Relaxed, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(seen) => now = seen,
            }
        }
    }

    /// The end of what `admit` began.
    pub(super) fn leave(&self) {
        // ORDERING: Release publishes what the job did to the shutdown that waits for it
        // (`running`); Acquire passes on what the threads before it published.
        let before = self.state.fetch_sub(ONE, AcqRel);
        if before == (CLOSED | ONE) {
            self.drained.wake_all();
        }
    }

    /// How many threads were admitted and have not left.
    fn running(&self) -> usize {
        // ORDERING: pairs with the Release of `leave`.
        self.state.load(Acquire) / ONE
    }

    /// Takes note of how one run of a job ended.
    pub(super) fn ran(&self, outcome: Result<(), Payload>) {
        Counts::add(&self.counts.ran);
        let Err(payload) = outcome else { return };
        Counts::add(&self.counts.panicked);
        match &self.panic_handler {
            Some(handler) => {
                let _ = unwind::catch(|| handler(payload)).map_err(unwind::discard);
            }
            None => unwind::discard(payload),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        // ORDERING: AcqRel puts the close between the spawns before and after it; nothing else
        // is published.
        self.state.fetch_or(CLOSED, AcqRel);
        let leaked = match how {
            Shutdown::Now => {
                // Where the ground has that call, it does not return.
                self.ground.exit_group(0);
                self.cancel()
            }
            // A job that waited for all threads would wait for itself.
            _ if self.is_own_thread() => self.running(),
            Shutdown::Drain => {
                self.drain(None);
                0
            }
            Shutdown::Deadline(left) => {
                let until = self.ground.now().saturating_add(left);
                if self.drain(Some(until)) {
                    0
                } else {
                    self.cancel()
                }
            }
        };
        ShutdownReport::new(
            Counts::get(&self.counts.finished),
            Counts::get(&self.counts.cancelled),
            leaked as u64,
        )
    }

    /// Cancels the futures that wait; returns how many threads run on.
    fn cancel(&self) -> usize {
        let running = self.running();
        let cancelled = self.drivers.cancel_all(&self.ground);
        // ORDERING: a figure.
        self.counts.cancelled.fetch_add(cancelled as u64, Relaxed);
        running.saturating_sub(cancelled)
    }

    /// Waits until all threads have left; `false` when `until` came first.
    fn drain(&self, until: Option<Nanos>) -> bool {
        self.drained
            .wait(&self.ground, until, || self.running() == 0)
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.scheduled = Counts::get(&self.counts.scheduled);
        stats.ran = Counts::get(&self.counts.ran);
        stats.panicked = Counts::get(&self.counts.panicked);
        stats.threads = Counts::get(&self.counts.threads);
        stats.parks = Counts::get(&self.counts.parks);
        stats.wakes = Counts::get(&self.counts.wakes);
        stats
    }

    /// Runs `body` with the mark by which [`is_own_thread`](Self::is_own_thread) knows this
    /// thread. `body` must not unwind.
    pub(super) fn enter(&self, body: impl FnOnce()) {
        let mark = Mark {
            owner: ptr::from_ref(&OWNER),
            shared: ptr::from_ref(self).cast(),
        };
        let former = self.ground.local();
        let abort = unwind::AbortOnDrop("a thread of a one-to-one executor unwound");
        // SAFETY: the mark outlives `body`, after which the former pointer is put back; nothing
        // unwinds past this frame.
        unsafe {
            self.ground
                .set_local(ptr::from_ref(&mark).cast_mut().cast())
        };
        body();
        // SAFETY: it was the pointer before, whose block whoever set it keeps alive.
        unsafe { self.ground.set_local(former) };
        mem::forget(abort);
    }

    /// Whether this thread runs a job of this executor (and no scheduler inside of that job has
    /// put its own mark in place of ours).
    pub(super) fn is_own_thread(&self) -> bool {
        let local = self.ground.local().cast_const().cast::<*const u8>();
        if local.is_null() {
            return false;
        }
        // SAFETY: by the convention of `Threads::set_local` the pointer leads to a live block
        // whose first word tells its owner.
        let owner = unsafe { *local };
        if !ptr::eq(owner, &OWNER) {
            return false;
        }
        // SAFETY: only `enter` knows the address of `OWNER`, so the block is a `Mark`.
        let mark = unsafe { &*local.cast::<Mark>() };
        ptr::eq(mark.shared, ptr::from_ref(self).cast())
    }
}

/// Its address is the owner's word of our blocks.
static OWNER: u8 = 0;

/// The block of local state of a thread that runs a job.
#[repr(C)]
struct Mark {
    owner: *const u8,
    shared: *const (),
}
