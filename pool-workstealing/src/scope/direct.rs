//! The short way into a scope: its owner pushes the job itself to its own deque.
//!
//! # Protocol
//! A job that the owner of a [`Scope`] spawns from its own worker needs no queue and no token:
//! it lies in the owner's deque, where the owner finds it by position and thieves as any other.
//!
//! The scope's count is shared, so the owner takes shares of it in stock, [`STOCK`] at a time:
//! a job that it spawns gets one of these, and a job that it runs itself gives one back. It
//! returns its stock before it asks whether all have ended. A thief counts off as always.
//!
//! # Why nothing is lost
//! The last one to count off may free the scope by that, so whatever is needed afterwards, who
//! the owner is, is read before. Its unpark comes after the count, and the owner parks only after
//! it has looked at the count: the thread's token closes the gap. A job that is dropped unrun, by
//! a stop, goes to the scope's queue instead, and the owner runs it.

use std::mem::ManuallyDrop;

use exec_core::{
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Relaxed},
    },
    unwind,
};

use super::{Inner, Scope};
use crate::{job::QueuedJob, worker::Worker};

/// Shares of the count that an owner takes at once.
const STOCK: usize = 128;

impl Inner<'_> {
    /// Owner: takes a share of the count for a job.
    #[inline]
    fn take_share(&self) {
        // ORDERING: relaxed: only the owner's thread touches the stock.
        let mut stock = self.stock.load(Relaxed);
        if stock == 0 {
            // ORDERING: the owner's own share keeps the count above zero.
            self.core.pending.fetch_add(STOCK, Relaxed);
            stock = STOCK;
        }
        self.stock.store(stock - 1, Relaxed);
    }

    /// Owner: returns its stock, so that the count tells whether all have ended.
    #[inline]
    pub(super) fn return_stock(&self) {
        let stock = self.stock.load(Relaxed);
        if stock != 0 {
            self.stock.store(0, Relaxed);
            self.core.pending.fetch_sub(stock, AcqRel);
        }
    }
}

/// A job in the deque of the scope's owner.
struct Direct<'scope, F: FnOnce(&Scope<'scope>) + Send + 'scope> {
    scope: *const Scope<'scope>,
    /// Taken by `run`, or else by `drop`.
    body: ManuallyDrop<F>,
}

// SAFETY: the body is `Send`, and a scope is used by shared reference and is `Sync`.
unsafe impl<'scope, F: FnOnce(&Scope<'scope>) + Send + 'scope> Send for Direct<'scope, F> {}

impl<'scope, F: FnOnce(&Scope<'scope>) + Send + 'scope> Direct<'scope, F> {
    fn scope(&self) -> &Scope<'scope> {
        // SAFETY: the owner waits until this job is counted off.
        unsafe { &*self.scope }
    }

    fn run(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the body is taken once.
        let body = unsafe { ManuallyDrop::take(&mut this.body) };
        let inner = &this.scope().inner;
        if let Err(payload) = unwind::catch(|| body(this.scope())) {
            inner.core.keep_panic(payload);
        }
        if inner.owner_here().is_some() {
            let stock = inner.stock.load(Relaxed);
            return inner.stock.store(stock + 1, Relaxed);
        }
        let owner = inner.owner;
        // ORDERING: Release publishes the job's work, Acquire passes on that of the others.
        if inner.core.pending.fetch_sub(1, AcqRel) == 1 {
            // From here on the scope may be gone.
            if let (Some(worker), Some(owner)) = (Worker::current(), owner) {
                worker.sleep().unpark(owner);
            }
        }
    }
}

impl<'scope, F: FnOnce(&Scope<'scope>) + Send + 'scope> Drop for Direct<'scope, F> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: the job is being dropped, and `run` forgets it.
        let body = unsafe { ManuallyDrop::take(&mut self.body) };
        let scope = self.scope();
        // The owner may leave the scope as soon as the job is in its queue.
        let core: Arc<_> = scope.inner.core.clone();
        let job = scope.inner.job(scope, body);
        core.put(job);
    }
}

impl<'scope> Scope<'scope> {
    /// Pushes `body` to the deque of `worker`, the owner of this scope.
    #[inline]
    pub(super) fn spawn_direct<F>(&self, worker: &Worker, body: F)
    where
        F: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        self.inner.take_share();
        let direct = Direct {
            scope: self,
            body: ManuallyDrop::new(body),
        };
        // SAFETY: what the body borrows outlives `'scope`, and the owner does not leave the scope
        // before the job is counted off, which running it does, here or from the queue.
        let job = unsafe { QueuedJob::new_borrowed(move || direct.run()) };
        worker.push_here(job);
    }
}
