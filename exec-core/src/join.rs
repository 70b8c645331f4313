//! The handle of a spawned job: one joiner, blocking or async.

use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem::MaybeUninit,
    num::NonZero,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll},
};

use crate::{
    error::JoinError,
    executor::Ticket,
    ground::Nanos,
    job::JobId,
    task::{
        header::{HandleDrop, Head, Header},
        way,
    },
    unwind,
    wait::{WaitMode, Waited, Waiter},
};

/// Set in a handle's pointer when there is a receipt in the cell.
const TICKET: usize = 1;

/// The one right to the result of a spawned job.
///
/// [`join`](Self::join) blocks for it, `.await` waits for it in a future. There is one joiner:
/// the handle is not `Clone`. Dropping it detaches the job, which runs on.
///
/// # Examples
/// ```
/// # use exec_core::Handle;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handle = Handle::new(pool_basic::ThreadPool::new(2)?);
/// let job = handle.spawn(|| 6 * 7);
/// assert_eq!(job.join()?, 42);
/// # Ok(()) }
/// ```
#[must_use = "dropping a JoinHandle detaches the job; call `detach` to say that you mean it"]
pub struct JoinHandle<T> {
    /// `None` when the result was taken, and the reference given up. The lowest bit says that
    /// there is a receipt in the cell.
    ptr: Option<NonNull<Head>>,
    result: PhantomData<T>,
}

// SAFETY: the handle moves the result from the completer's thread to its own, hence `T: Send`;
// everything else it reaches is the header, which is `Sync`.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` only atomic operations are reachable (`is_finished`, `cancel`).
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// The caller passes on the handle's reference to a cell with a result of type `T`, whose
    /// `HANDLE` bit is set.
    #[inline]
    pub(crate) unsafe fn from_raw(ptr: NonNull<Head>, ticket: Ticket) -> Self {
        let mut handle = Self {
            ptr: Some(ptr),
            result: PhantomData,
        };
        if ticket.waiter().is_some() {
            handle.keep(ptr, ticket);
        }
        handle
    }

    #[cold]
    fn keep(&mut self, ptr: NonNull<Head>, ticket: Ticket) {
        // SAFETY: the handle's reference keeps the cell.
        let vtable = unsafe { ptr.as_ref() }.vtable;
        // SAFETY: as above.
        let place = unsafe { (vtable.ticket)(ptr) };
        // Where there is no place, the shared waiter does; the receipt is let go.
        if let Some(place) = place {
            // SAFETY: the place is in the cell.
            let place = unsafe { place.as_ref() };
            // SAFETY: this is the handle.
            drop(unsafe { way::replace(place, ticket) });
            self.ptr = Some(ptr.map_addr(|addr| addr | TICKET));
        }
    }

    /// The cell, and whether the handle has a receipt there; `None` once the result was taken.
    #[inline]
    fn cell(&self) -> Option<(NonNull<Head>, bool)> {
        let ptr = self.ptr?;
        let bare = NonZero::new(ptr.addr().get() & !TICKET);
        let bare = ptr.with_addr(bare.expect("invariant: a cell is not at zero"));
        Some((bare, ptr.addr().get() & TICKET != 0))
    }

    #[inline]
    fn untaken(&self) -> NonNull<Head> {
        self.cell().expect("invariant: the result was not taken").0
    }

    /// The head of a cell whose result was not taken.
    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the handle's reference keeps the cell.
        unsafe { self.untaken().as_ref() }
    }

    #[inline]
    fn header(&self) -> &Header {
        &self.head().header
    }

    /// The waiter of the handle's receipt.
    fn own_waiter(&self) -> Option<&dyn Waiter> {
        let (ptr, has_ticket) = self.cell()?;
        if !has_ticket {
            return None;
        }
        // SAFETY: the handle's reference keeps the cell.
        let place = unsafe { (self.head().vtable.ticket)(ptr) }?;
        // SAFETY: the place is in the cell.
        let place = unsafe { place.as_ref() };
        // SAFETY: this is the handle.
        let waiter = unsafe { way::own(place) }?;
        // SAFETY: the receipt stays until the handle goes, which this borrows.
        Some(unsafe { waiter.as_ref() })
    }

    /// Gives the handle's reference up, and its receipt, after the result was taken.
    #[inline]
    fn let_go(&mut self) {
        let Some((ptr, has_ticket)) = self.cell() else {
            return;
        };
        if has_ticket {
            self.drop_ticket(ptr);
        }
        self.ptr = None;
        // SAFETY: the handle's reference keeps the cell.
        let vtable = unsafe { ptr.as_ref() }.vtable;
        // SAFETY: the handle's reference, not used again.
        unsafe { (vtable.release)(ptr) };
    }

    #[cold]
    fn drop_ticket(&self, ptr: NonNull<Head>) {
        // SAFETY: the handle's reference keeps the cell.
        let vtable = unsafe { ptr.as_ref() }.vtable;
        // SAFETY: as above.
        let place = unsafe { (vtable.ticket)(ptr) };
        if let Some(place) = place {
            // SAFETY: the place is in the cell.
            let place = unsafe { place.as_ref() };
            // SAFETY: this is the handle.
            drop(unsafe { way::replace(place, Ticket::shared()) });
        }
    }

    /// Waits for the job and returns its result.
    ///
    /// # Errors
    /// * [`JoinError::Panicked`] with the payload of the job's panic.
    /// * [`JoinError::Cancelled`] when the job was cancelled or dropped by a shutdown.
    /// * [`JoinError::Rejected`] when the executor had refused the job.
    /// * [`JoinError::WouldDeadlock`] when the model sees that the wait could never end (a job
    ///   that waits for itself; the last free worker of a pool that would wait for queued
    ///   work). The job is detached then.
    /// * [`JoinError::Exited`] when the job's thread ended before the job did.
    ///
    /// # Blocking
    /// Until the job has ended, in the model's own way: it joins the thread, parks, or runs
    /// other jobs meanwhile.
    pub fn join(mut self) -> Result<T, JoinError> {
        match self.wait(WaitMode::JOIN) {
            Waited::Done => Ok(()),
            Waited::Exited(code) => Err(JoinError::Exited(code)),
            Waited::WouldDeadlock | Waited::TimedOut => Err(JoinError::WouldDeadlock),
        }?;
        self.take()
    }

    /// As [`join`](Self::join), until `until` at the latest (the time of the executor's ground).
    ///
    /// # Errors
    /// The handle itself when the time was up, or when waiting would never end.
    ///
    /// # Blocking
    /// Until the job has ended or `until` has come.
    pub fn join_until(mut self, until: Nanos) -> Result<Result<T, JoinError>, Self> {
        match self.wait(WaitMode::until(until)) {
            Waited::Done => Ok(self.take()),
            Waited::Exited(code) => Ok(Err(JoinError::Exited(code))),
            Waited::WouldDeadlock | Waited::TimedOut => Err(self),
        }
    }

    /// As [`join`](Self::join), for `timeout` at most.
    ///
    /// # Errors
    /// The handle itself when the time was up, or when waiting would never end.
    ///
    /// # Blocking
    /// Until the job has ended or `timeout` has passed.
    #[cfg(feature = "std")]
    pub fn join_timeout(self, timeout: core::time::Duration) -> Result<Result<T, JoinError>, Self> {
        use crate::ground::{Ground, StdGround};
        self.join_until(StdGround.now().saturating_add(timeout))
    }

    fn wait(&mut self, mode: WaitMode) -> Waited {
        if let Some(own) = self.own_waiter() {
            // A thread is joined even when its job is done: that is what ends it.
            return own.wait(self.header(), mode);
        }
        if self.header().is_complete() {
            return Waited::Done;
        }
        let (ptr, vtable) = (self.untaken(), self.head().vtable);
        // SAFETY: the handle's reference keeps the cell.
        let waiter = unsafe { (vtable.waiter)(ptr) };
        // A wait with an end must not begin a job that may run past it.
        if mode.until.is_none() && waiter.runs_own_unstarted() {
            // SAFETY: as above.
            if unsafe { (vtable.run_here)(ptr) } {
                return Waited::Done;
            }
        }
        waiter.wait(self.header(), mode)
    }

    fn take(&mut self) -> Result<T, JoinError> {
        debug_assert!(
            self.header().is_complete(),
            "invariant: taken only when complete"
        );
        let (ptr, vtable) = (self.untaken(), self.head().vtable);
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: complete, and the pointer is there, so that it was not taken before; the cell's
        // output has the type of `output` by the contract of `from_raw`.
        unsafe { (vtable.take)(ptr, output.as_mut_ptr().cast()) };
        self.let_go();
        // SAFETY: `take` has written it.
        unsafe { output.assume_init() }
    }

    /// Waits for a job that borrows from this stack: returns only when it has ended.
    pub(crate) fn join_borrowed(mut self) -> Result<T, JoinError> {
        let abort = unwind::AbortOnDrop("waiting for a job that borrows from this stack failed");
        if self.own_waiter().is_none() && !self.header().is_complete() {
            // SAFETY: the handle's reference keeps the cell.
            let _ = unsafe { (self.head().vtable.run_here)(self.untaken()) };
        }
        while !self.header().is_complete() {
            match self.wait(WaitMode::MUST_FINISH) {
                // A thread that ended under its job leaves borrows behind that nobody returns.
                Waited::Exited(_) => drop(abort),
                Waited::Done | Waited::TimedOut | Waited::WouldDeadlock => continue,
            }
            unreachable!("invariant: the abort guard does not return");
        }
        core::mem::forget(abort);
        self.take()
    }

    /// Whether the job has ended, so that [`join`](Self::join) would not wait for it.
    pub fn is_finished(&self) -> bool {
        self.ptr.is_none() || self.header().is_complete()
    }

    /// Asks for the job not to run: a closure that has not started never will, a future is
    /// dropped at its next turn. `true` when the job will end as [`JoinError::Cancelled`], or,
    /// for a future that is being polled right now, unless that very poll finishes it.
    ///
    /// A closure that is running is not stopped (`false`).
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        if self.ptr.is_none() {
            return false;
        }
        // SAFETY: the handle's reference keeps the cell.
        unsafe { (self.head().vtable.cancel)(self.untaken()) }
    }

    /// Lets the job run on without a joiner; a panic of it goes to the executor's panic handler.
    pub fn detach(self) {
        drop(self);
    }

    /// What identifies the job while the handle lives; [`JobId::NONE`] once it was polled to its
    /// end.
    pub fn id(&self) -> JobId {
        self.cell()
            .map_or(JobId::NONE, |(ptr, _)| JobId::of(ptr.as_ptr()))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// When it is polled again after it was ready.
    ///
    /// # Cancel safety
    /// Nothing is lost when the handle is polled and not finished: poll it again, or `join` it.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(
            self.ptr.is_some(),
            "a JoinHandle was polled after it had returned its result"
        );
        if self.header().set_waker(cx.waker()) {
            return Poll::Ready(self.take());
        }
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let Some((ptr, has_ticket)) = self.cell() else {
            return;
        };
        if has_ticket {
            self.drop_ticket(ptr);
            self.ptr = Some(ptr);
        }
        match self.header().drop_handle() {
            HandleDrop::OutputIsYours => {
                // Gives up the reference, too.
                let output = self.take();
                let _ = unwind::drop_caught(output).map_err(unwind::discard);
            }
            HandleDrop::Released { last: false } => {}
            HandleDrop::Released { last: true } => {
                // The count is at zero and only the freeing is left: go through the vtable with
                // a reference of its own.
                // SAFETY: nobody else has the cell any more.
                let head = unsafe { ptr.as_ref() };
                head.header.retain();
                // SAFETY: the reference just added.
                unsafe { (head.vtable.release)(ptr) };
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
