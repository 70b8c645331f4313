//! The short way into a scope: its owner pushes the job itself to its own deque.
//!
//! # Protocol
//! A job that the owner of a [`Scope`] spawns from its own worker needs no queue and no token:
//! it lies in the owner's deque, where the owner finds it by position and thieves as any other.
//!
//! Its share comes from the owner's stock and goes back there when the owner runs it; see
//! [`shares`](crate::shares).
//!
//! # Why nothing is lost
//! The last one to count off may free the scope by that, so whatever is needed afterwards, who
//! the owner is, is read before. A job that is dropped unrun, by
//! a stop, goes to the scope's queue instead, and the owner runs it.

use std::mem::ManuallyDrop;

use exec_core::{sync::Arc, unwind};

use super::Scope;
use crate::{job::QueuedJob, worker::Worker};

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
            return inner.stock.give_back();
        }
        let owner = inner.owner;
        if inner.core.shares.end_one() {
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
        self.inner.stock.take(&self.inner.core.shares);
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
