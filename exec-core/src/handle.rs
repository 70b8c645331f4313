//! What a user holds: one handle, whatever the model behind it.

use alloc::boxed::Box;
use core::{fmt, future::Future, pin::pin, time::Duration};

use crate::{
    error::Rejected,
    executor::{Caps, Executor, Meta, Shutdown, ShutdownReport, Ticket, Wake},
    ground::{Ground, Nanos},
    job::Job,
    join::JoinHandle,
    scope::{self, Scope},
    sleep::Sleep,
    stats::Stats,
    sync::Arc,
    task::{Probed, Schedule, TaskRef, call::CallCell, spawn_future},
    unwind,
};

/// A counted handle of an executor; clones are the same executor.
///
/// `Handle<ThreadPool>` calls its model directly; plain `Handle` (that is,
/// `Handle<dyn Executor>`, from [`into_dyn`](Handle::into_dyn)) lets an app choose its model at
/// run time. The last handle to go drops the executor, which does what the model's own drop
/// says (the pools of this family drain).
///
/// # Examples
/// ```
/// use exec_core::Handle;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handle: Handle = Handle::new(pool_basic::ThreadPool::new(2)?).into_dyn();
/// let words = ["to", "be", "or", "not"];
/// let (short, long) = handle.join(
///     || words.iter().filter(|w| w.len() < 3).count(),
///     || words.iter().filter(|w| w.len() >= 3).count(),
/// );
/// assert_eq!((short, long), (3, 1));
/// assert_eq!(handle.spawn(|| 6 * 7).join()?, 42);
/// # Ok(()) }
/// ```
pub struct Handle<E: ?Sized + Executor = dyn Executor>(Arc<E>);

impl<E: Executor> Handle<E> {
    /// Takes an executor over.
    pub fn new(executor: E) -> Self {
        Self(Arc::new(executor))
    }

    /// Forgets which model it is, so that it can be chosen at run time.
    pub fn into_dyn(self) -> Handle {
        Handle(self.0)
    }
}

impl<E: ?Sized + Executor> Handle<E> {
    /// The executor itself, with the native API of its model.
    pub fn executor(&self) -> &E {
        &self.0
    }

    /// Spawns a closure and returns the handle of its result. One allocation.
    ///
    /// # Errors
    /// None here: when the executor refuses the job, joining the handle says
    /// [`JoinError::Rejected`](crate::JoinError::Rejected). Use [`try_spawn`](Self::try_spawn)
    /// to get the closure back.
    #[inline]
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(&Meta::new(), f)
    }

    /// As [`spawn`](Self::spawn), with a name and a place of one's own.
    #[inline]
    pub fn spawn_with<F, T>(&self, meta: &Meta<'_>, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_on(&*self.0, meta, f)
    }

    /// As [`spawn`](Self::spawn), and a refused closure comes back; a full queue refuses and does
    /// not block.
    ///
    /// # Errors
    /// The closure, not run, with the reason.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        try_spawn_on(&*self.0, &Meta::new().without_waiting(), f)
    }

    /// Runs a closure that nobody joins. Cheaper than `spawn(f).detach()`: no result to keep.
    ///
    /// A panic of it goes to the executor's panic handler.
    ///
    /// # Errors
    /// The job, not run, with the reason.
    #[inline]
    #[track_caller]
    pub fn execute<F: FnOnce() + Send + 'static>(&self, f: F) -> Result<(), Rejected> {
        self.0.schedule(Job::new(f), &Meta::new()).map(drop)
    }

    /// Spawns a future and returns the handle of its output. One allocation, none a wake; a few more
    /// where the model shows its tasks.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_async<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_async_with(&Meta::new(), future)
    }

    /// As [`spawn_async`](Self::spawn_async), with a name and a place of one's own.
    pub fn spawn_async_with<F>(&self, meta: &Meta<'_>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.0.probe(meta, size_of::<F>()) {
            None => self.spawn_cell(meta, future),
            Some(probe) => self.spawn_cell(meta, Probed::new(future, probe)),
        }
    }

    fn spawn_cell<F>(&self, meta: &Meta<'_>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let exec = &*self.0;
        match exec.home() {
            Some(home) => spawn_future(future, home, exec.waiter(), |job, _| {
                exec.schedule(job, meta)
            }),
            None => spawn_future(future, Home(self.0.clone()), exec.waiter(), |job, _| {
                exec.schedule(job, meta)
            }),
        }
    }

    /// Runs `a` and `b`, in parallel where the model can, and returns both results.
    ///
    /// # Panics
    /// With the panic of `a` or else of `b`; only after both have ended or will never start.
    ///
    /// # Blocking
    /// Until both are done.
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let (mut a, mut b) = (Some(a), Some(b));
        let (mut ra, mut rb) = (None, None);
        self.0
            .join_dyn(&mut || ra = a.take().map(|a| a()), &mut || {
                rb = b.take().map(|b| b())
            });
        (
            ra.expect("invariant: join_dyn calls each closure before it returns"),
            rb.expect("invariant: join_dyn calls each closure before it returns"),
        )
    }

    /// Runs `f` with a scope whose jobs may borrow from this stack, and returns when all of
    /// them are done.
    ///
    /// # Panics
    /// With the panic of `f`, else with the first panic of a job, after all have ended; and when
    /// a shutdown dropped a job of the scope unrun.
    ///
    /// # Blocking
    /// Until every job of the scope has ended.
    ///
    /// # Examples
    /// ```
    /// # use exec_core::Handle;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let handle = Handle::new(pool_basic::ThreadPool::new(2)?);
    /// let mut squares = [1, 2, 3];
    /// handle.scope(|s| {
    ///     for n in &mut squares {
    ///         s.spawn(move || *n *= *n);
    ///     }
    /// });
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok(()) }
    /// ```
    pub fn scope<'env, R>(
        &'env self,
        f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, E>) -> R,
    ) -> R {
        scope::scope(&*self.0, f)
    }

    /// Drives a future on this thread until it is ready.
    ///
    /// # Panics
    /// Models whose workers must not block panic when it is called on one of them (see the
    /// model).
    ///
    /// # Blocking
    /// Until the future is ready.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut output = None;
        {
            let driven = pin!(async { output = Some(future.await) });
            self.0.block_on_dyn(driven);
        }
        output.expect("invariant: block_on_dyn returns when the future is ready")
    }

    /// A future that is ready after `duration`.
    ///
    /// On a model without timers, polling it blocks the thread for that long.
    pub fn sleep(&self, duration: Duration) -> Sleep<E> {
        self.sleep_until(self.0.ground().now().saturating_add(duration))
    }

    /// A future that is ready at `until`, in the time of [`ground`](Self::ground).
    pub fn sleep_until(&self, until: Nanos) -> Sleep<E> {
        Sleep {
            executor: self.0.clone(),
            until,
        }
    }

    /// Ends the executor; see [`Shutdown`] for the ways.
    ///
    /// # Blocking
    /// As [`Shutdown`] says.
    pub fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        self.0.shutdown(how)
    }

    /// What the executor has done so far.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// What the model can do.
    pub fn caps(&self) -> Caps {
        self.0.caps()
    }

    /// The ground the model stands on: its clock and its parking.
    pub fn ground(&self) -> &dyn Ground {
        self.0.ground()
    }
}

/// Spawns a closure on an executor: what [`Handle::spawn`] does, for a model's own `spawn`.
#[inline]
pub fn spawn_on<E, F, T>(exec: &E, meta: &Meta<'_>, f: F) -> JoinHandle<T>
where
    E: ?Sized + Executor,
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: `F` and `T` are `Send` and `'static`.
    let (job, ptr) = unsafe { CallCell::allocate(f, exec.waiter()) };
    let ticket = match exec.schedule(job, meta) {
        Ok(ticket) => ticket,
        Err(Rejected { job, reason }) => {
            CallCell::<F, T>::reject(job, ptr, reason);
            Ticket::shared()
        }
    };
    // SAFETY: the handle's reference to a cell of this type.
    unsafe { JoinHandle::from_raw(ptr, ticket) }
}

/// As [`spawn_on`], and a refused closure comes back.
///
/// # Errors
/// The closure, not run, with the reason.
pub fn try_spawn_on<E, F, T>(exec: &E, meta: &Meta<'_>, f: F) -> Result<JoinHandle<T>, Rejected<F>>
where
    E: ?Sized + Executor,
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: `F` and `T` are `Send` and `'static`.
    let (job, ptr) = unsafe { CallCell::allocate(f, exec.waiter()) };
    let scheduled = exec.schedule(job, meta);
    let (ticket, refused) = match scheduled {
        Ok(ticket) => (ticket, None),
        Err(Rejected { job, reason }) => (Ticket::shared(), Some((job, reason))),
    };
    // SAFETY: the handle's reference to a cell of this type.
    let handle = unsafe { JoinHandle::from_raw(ptr, ticket) };
    let Some((job, reason)) = refused else {
        return Ok(handle);
    };
    match CallCell::<F, T>::take_back(job, ptr) {
        Some(f) => Err(Rejected::new(f, reason)),
        // The executor ran or lost the job that it says it refused: the handle tells.
        None => Ok(handle),
    }
}

/// The executor as the home of a future's polls.
struct Home<E: ?Sized + Executor>(Arc<E>);

impl<E: ?Sized + Executor> Clone for Home<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: ?Sized + Executor> Schedule for Home<E> {
    fn schedule(&self, job: Job, wake: Wake) {
        if let Err(Rejected { job, .. }) = self.0.reschedule(job, wake) {
            // Dropping the job drops the future and tells its joiner; that is foreign code in
            // a waker's frame.
            let _ = unwind::drop_caught(job).map_err(unwind::discard);
        }
    }
    fn adopt(&self, task: TaskRef) -> usize {
        self.0.adopt(task)
    }
    fn disown(&self, key: usize) -> Option<TaskRef> {
        self.0.disown(key);
        None
    }
}

impl<E: ?Sized + Executor> Clone for Handle<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: ?Sized + Executor> From<Arc<E>> for Handle<E> {
    fn from(executor: Arc<E>) -> Self {
        Self(executor)
    }
}

impl<E: Executor> From<Box<E>> for Handle<E> {
    fn from(executor: Box<E>) -> Self {
        Self::new(*executor)
    }
}

impl<E: ?Sized + Executor> fmt::Debug for Handle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("caps", &self.caps())
            .finish_non_exhaustive()
    }
}
