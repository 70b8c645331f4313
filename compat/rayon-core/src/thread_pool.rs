//! The pool that a user holds.

use std::fmt;

use exec_core::sync::Arc;

use crate::{Scope, ScopeFifo, Yield, broadcast::BroadcastContext, join, registry::Home, yielding};

/// A pool of one's own, made by a [`ThreadPoolBuilder`](crate::ThreadPoolBuilder).
///
/// Dropping it doesn't wait: its workers finish all that was spawned, and what that spawns, and
/// then leave by themselves.
///
/// # Examples
/// ```
/// # use rayon_core as rayon;
/// # fn main() -> Result<(), rayon::ThreadPoolBuildError> {
/// let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
/// let (a, b) = pool.install(|| rayon::join(|| 6 * 7, || "and this in the same pool"));
/// assert_eq!(a + b.len(), 67);
/// # Ok(()) }
/// ```
pub struct ThreadPool {
    home: Arc<Home>,
}

impl ThreadPool {
    pub(crate) fn of(home: Arc<Home>) -> Self {
        Self { home }
    }

    /// Runs `op` on a worker of this pool and returns its result; what `op` joins, scopes and
    /// spawns by the free functions goes to this pool.
    ///
    /// On a worker of another pool the wait is spent on that pool's work, so `op` can come back
    /// to it.
    ///
    /// # Panics
    /// With the panic of `op`.
    ///
    /// # Blocking
    /// Until `op` has returned.
    pub fn install<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        self.home.pool().install(op)
    }

    /// As [`broadcast`](crate::broadcast()), in this pool.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Blocking
    /// As there.
    pub fn broadcast<OP, R>(&self, op: OP) -> Vec<R>
    where
        OP: Fn(BroadcastContext<'_>) -> R + Sync,
        R: Send,
    {
        self.home.pool().broadcast(op)
    }

    /// How many workers it has.
    #[inline]
    pub fn current_num_threads(&self) -> usize {
        self.home.pool().current_num_threads()
    }

    /// The index of the current thread in this pool, if it is one of its workers.
    #[inline]
    pub fn current_thread_index(&self) -> Option<usize> {
        self.home.pool().current_thread_index()
    }

    fn is_here(&self) -> bool {
        self.current_thread_index().is_some()
    }

    /// As [`current_thread_has_pending_tasks`](crate::current_thread_has_pending_tasks()); `None`
    /// outside of this pool.
    #[inline]
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        if self.is_here() {
            yielding::current_thread_has_pending_tasks()
        } else {
            None
        }
    }

    /// As [`join`](crate::join()), in this pool.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Blocking
    /// As there.
    pub fn join<A, B, RA, RB>(&self, oper_a: A, oper_b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.install(|| join(oper_a, oper_b))
    }

    /// As [`scope`](crate::scope()), in this pool.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Blocking
    /// As there.
    pub fn scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.home.pool().scope(op)
    }

    /// As [`scope_fifo`](crate::scope_fifo()), in this pool.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Blocking
    /// As there.
    pub fn scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
        R: Send,
    {
        self.home.pool().scope_fifo(op)
    }

    /// As [`in_place_scope`](crate::in_place_scope()), and what is spawned runs in this pool.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Blocking
    /// As there.
    pub fn in_place_scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R,
    {
        self.home.pool().in_place_scope(op)
    }

    /// As [`in_place_scope_fifo`](crate::in_place_scope_fifo()), and what is spawned runs in this
    /// pool.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Blocking
    /// As there.
    pub fn in_place_scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R,
    {
        self.home.pool().in_place_scope_fifo(op)
    }

    /// As [`spawn`](crate::spawn()), in this pool.
    pub fn spawn<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        self.home.spawn(op);
    }

    /// As [`spawn_fifo`](crate::spawn_fifo()), in this pool.
    pub fn spawn_fifo<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        self.home.spawn_fifo(op);
    }

    /// As [`spawn_broadcast`](crate::spawn_broadcast()), in this pool.
    pub fn spawn_broadcast<OP>(&self, op: OP)
    where
        OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        self.home.spawn_broadcast(op);
    }

    /// As [`yield_now`](crate::yield_now()); `None` outside of this pool.
    pub fn yield_now(&self) -> Option<Yield> {
        if self.is_here() {
            yielding::yield_now()
        } else {
            None
        }
    }

    /// As [`yield_local`](crate::yield_local()); `None` outside of this pool.
    pub fn yield_local(&self) -> Option<Yield> {
        if self.is_here() {
            yielding::yield_local()
        } else {
            None
        }
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("num_threads", &self.current_num_threads())
            .field("id", &Arc::as_ptr(&self.home))
            .finish()
    }
}
