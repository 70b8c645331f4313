//! Broadcasts into a scope: one closure that borrows, called once on each worker.

use exec_core::{sync::Arc, unwind};

use super::{Core, Inner, Scope, ScopeFifo, ScopeRef};
use crate::{broadcast::BroadcastContext, job::QueuedJob};

/// One worker's part: it is counted off when it was run or dropped.
struct Part<F> {
    body: Option<Arc<F>>,
    core: Arc<Core>,
}

impl<F> Drop for Part<F> {
    fn drop(&mut self) {
        // What the body borrows may end with the scope: it goes first.
        if let Err(payload) = unwind::drop_caught(self.body.take()) {
            self.core.keep_panic(payload);
        }
        self.core.end_one();
    }
}

impl<'scope> Inner<'scope> {
    fn spawn_broadcast<S: Sync, F>(&self, scope: &S, body: F)
    where
        F: Fn(&S, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        let threads = self.registry.threads();
        let body = Arc::new(body);
        for index in 0..threads {
            self.core.shares.add();
            let part = Part {
                body: Some(body.clone()),
                core: self.core.clone(),
            };
            let scope = ScopeRef(std::ptr::from_ref(scope));
            let job = move || {
                let (scope, part) = (scope, part);
                // SAFETY: the owner waits until this part is counted off.
                let scope = unsafe { scope.get() };
                let context = BroadcastContext::new(index, threads);
                if let Some(body) = part.body.as_deref()
                    && let Err(payload) = unwind::catch(|| body(scope, context))
                {
                    part.core.keep_panic(payload);
                }
            };
            // SAFETY: what the job borrows outlives `'scope`, and the owner waits until the part
            // is counted off.
            let job = unsafe { QueuedJob::new_borrowed(job) };
            self.registry.mail(index, job);
        }
    }
}

impl<'scope> Scope<'scope> {
    /// Calls `body` once on each worker of the scope's pool.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    pub fn spawn_broadcast<F>(&self, body: F)
    where
        F: Fn(&Scope<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        self.inner.spawn_broadcast(self, body);
    }
}

impl<'scope> ScopeFifo<'scope> {
    /// Calls `body` once on each worker of the scope's pool.
    ///
    /// # Panics
    /// As [`spawn_fifo`](Self::spawn_fifo).
    pub fn spawn_broadcast<F>(&self, body: F)
    where
        F: Fn(&ScopeFifo<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        self.inner.spawn_broadcast(self, body);
    }
}
