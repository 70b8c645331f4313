//! Jobs that borrow from the stack of the thread that waits for them.
//!
//! # States
//! A count: one for the owner, one for each job that may still touch the borrowed data; and a
//! latch (the [`Header`] of an empty cell) that is set when the count reaches zero.
//!
//! # Protocol
//! `spawn` adds one, then schedules. A job runs, keeps its panic, drops its captures, and only
//! then takes one off. The owner takes its own off, and waits for the latch in the model's way.
//!
//! # Why nothing is lost
//! The count is taken off by the drop of [`Pending`], which is declared after the closure in
//! the job and thus dropped after it: whether the job runs, panics or is dropped unrun, the
//! borrowed data is out of use before the owner can see zero. The latch lives in an `Arc`, so
//! the last job may still touch it when the owner has gone on.
//!
//! # Shutdown
//! A job that the executor refuses runs at once, on the spawning thread. A job that was accepted
//! and then dropped by a shutdown did not run, and the scope panics at its end rather than go
//! on as if it had.

use core::{fmt, marker::PhantomData};

use crate::{
    error::Rejected,
    executor::{Executor, Meta},
    job::Job,
    sync::{
        Arc, TryLock,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    task::header::{HANDLE, Header},
    unwind::{self, AbortOnDrop, Payload},
    wait::{Completion, WaitMode, park_until},
};

/// Where jobs that borrow are spawned; see [`Handle::scope`](crate::Handle::scope).
pub struct Scope<'scope, 'env: 'scope, E: ?Sized + Executor> {
    exec: &'env E,
    state: Arc<ScopeState>,
    /// Invariant, as in `std::thread::Scope`: a longer or shorter `'scope` would be unsound.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

struct ScopeState {
    pending: AtomicUsize,
    /// Jobs that were dropped unrun.
    unrun: AtomicUsize,
    panic: TryLock<Option<Payload>>,
    latch: Header,
}

impl ScopeState {
    /// Keeps the first panic; a later one, or one that comes at the same moment, is discarded.
    fn keep_panic(&self, payload: Payload) {
        let mut payload = Some(payload);
        self.panic.try_with(|first| {
            if first.is_none() {
                *first = payload.take();
            }
        });
        if let Some(late) = payload {
            unwind::discard(late);
        }
    }
}

/// One job's share of the count; dropping it gives it back.
struct Pending {
    state: Arc<ScopeState>,
    ran: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.ran {
            // ORDERING: read by the owner after the latch, which this precedes.
            self.state.unrun.fetch_add(1, Relaxed);
        }
        // ORDERING: Release publishes the job's work and the drop of its captures; Acquire lets
        // the last one pass on what all others published, by the latch.
        if self.state.pending.fetch_sub(1, AcqRel) == 1 {
            let _ = self.state.latch.complete();
        }
    }
}

/// The body of a scoped job. Field order is drop order: the captures go before the share.
struct Scoped<F> {
    body: F,
    pending: Pending,
}

impl<F: FnOnce()> Scoped<F> {
    fn run(self) {
        let Self { body, mut pending } = self;
        if let Err(payload) = unwind::catch(body) {
            pending.state.keep_panic(payload);
        }
        pending.ran = true;
    }
}

impl<'scope, 'env, E: ?Sized + Executor> Scope<'scope, 'env, E> {
    /// Spawns a job that may borrow whatever outlives the scope, other jobs of it included.
    ///
    /// A job that the executor refuses (it is full, or shutting down) runs at once, here.
    ///
    /// # Panics
    /// A panic of the job is kept and goes on at the end of the scope; the first one wins.
    #[track_caller]
    pub fn spawn<F: FnOnce() + Send + 'scope>(&'scope self, f: F) {
        // ORDERING: the owner's share keeps the count above zero meanwhile.
        self.state.pending.fetch_add(1, Relaxed);
        let pending = Pending {
            state: self.state.clone(),
            ran: false,
        };
        let scoped = Scoped { body: f, pending };
        // SAFETY: what the job borrows outlives the scope, and the owner does not leave the scope
        // before every `Pending` is dropped, each after the captures beside it.
        let job = unsafe { Job::new_borrowed(move || scoped.run()) };
        if let Err(Rejected { job, .. }) = self.exec.schedule(job, &Meta::new()) {
            let _ = job.run().map_err(unwind::discard);
        }
    }
}

impl<E: ?Sized + Executor> fmt::Debug for Scope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Runs `f` with a scope, and returns when `f` and every job of the scope are done.
pub(crate) fn scope<'env, E, R>(
    exec: &'env E,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, E>) -> R,
) -> R
where
    E: ?Sized + Executor,
{
    let scope = Scope {
        exec,
        state: Arc::new(ScopeState {
            pending: AtomicUsize::new(1),
            unrun: AtomicUsize::new(0),
            panic: TryLock::new(None),
            latch: Header::new(HANDLE),
        }),
        scope: PhantomData,
        env: PhantomData,
    };
    let result = unwind::catch(|| f(&scope));
    // From here to the end of the wait nothing may unwind: jobs borrow from frames above.
    let abort = AbortOnDrop("waiting for the jobs of a scope failed");
    let state = &scope.state;
    drop(Pending {
        state: state.clone(),
        ran: true,
    });
    while !state.latch.is_done() {
        let _ = exec.waiter().wait(&state.latch, WaitMode::MUST_FINISH);
        if !state.latch.is_done() {
            let _ = park_until(exec.ground(), &state.latch, None);
        }
    }
    core::mem::forget(abort);
    let value = match result {
        Ok(value) => value,
        Err(payload) => unwind::resume(payload),
    };
    if let Some(payload) = state.panic.try_with(Option::take).flatten() {
        unwind::resume(payload);
    }
    // ORDERING: after the latch, whose completer saw every decrement.
    let unrun = state.unrun.load(Relaxed);
    assert!(
        unrun == 0,
        "scope: {unrun} jobs were dropped unrun by the executor's shutdown"
    );
    value
}
