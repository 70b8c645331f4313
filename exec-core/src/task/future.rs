//! The cell of a future: polled many times, each poll one job.
//!
//! # States
//! Idle (no bit), scheduled (`SCHEDULED`: one job exists), running (`CLAIMED`), running and woken
//! (both), complete. See [`header`](super::header) for the word.
//!
//! # Protocol
//! * A waker sets `SCHEDULED`; only the one that found the future idle makes a job.
//! * The job turns `SCHEDULED` into `CLAIMED`, polls, and on `Pending` clears `CLAIMED`. When
//!   `SCHEDULED` came meanwhile it goes back into the queue as a yield.
//! * `cancel` is a wake that also says `CANCEL`: the future is always dropped by a job, on a
//!   thread of its executor, or where its last reference goes.
//!
//! # Why nothing is lost
//! A wake during a poll leaves `SCHEDULED` behind, which the poller sees in the same
//! read-modify-write that ends the poll. A wake after it finds no `CLAIMED` and makes the job
//! itself. A million wakes of one future are one job.
//!
//! # Shutdown
//! A job that is dropped instead of run drops the future and completes the cell as cancelled. A
//! wake after the executor has gone is refused, which drops its job, which does the same.

use alloc::boxed::Box;
use core::{
    fmt,
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
};

use super::{
    header::{CellVTable, HANDLE, Head, Header, Idle, LastWake, Output, REF_ONE, SCHEDULED, Start},
    way::{Kept, OfHome, Waits, Way},
};
use crate::{
    error::{JoinError, Reason, Rejected},
    executor::{Ticket, Wake},
    job::{Job, JobId, JobVTable},
    join::JoinHandle,
    sync::{Arc, UnsafeCell},
    unwind::{self, Payload},
    wait::Waiter,
};

/// Where the polls of a future go.
///
/// Each future owns one: usually a counted pointer to its executor. It is cloned at each yield.
pub trait Schedule: Send + Sync + 'static {
    /// Queues the next poll. Work that cannot be queued is dropped, which cancels the future.
    fn schedule(&self, job: Job, wake: Wake);

    /// Takes the future into the executor's list, before it is first queued; the key comes back
    /// in [`disown`](Self::disown).
    fn adopt(&self, task: TaskRef) -> usize;

    /// The future is complete, or was freed without ever completing. Called exactly once.
    ///
    /// A list that still has the reference that [`adopt`](Self::adopt) got may return it: the cell gives
    /// it up together with another one, which saves a step.
    fn disown(&self, key: usize) -> Option<TaskRef>;
}

impl<S: Schedule + ?Sized> Schedule for Arc<S> {
    fn schedule(&self, job: Job, wake: Wake) {
        (**self).schedule(job, wake);
    }
    fn adopt(&self, task: TaskRef) -> usize {
        (**self).adopt(task)
    }
    fn disown(&self, key: usize) -> Option<TaskRef> {
        (**self).disown(key)
    }
}

enum Stage<Fut: Future> {
    Future(Fut),
    /// An error is rare and larger than most outputs: it lies outside.
    Output(Result<Fut::Output, Box<JoinError>>),
    Empty,
}

#[repr(C)]
struct FutureCell<Fut: Future, S: Schedule + Clone, W: Way<S>> {
    head: Head,
    home: S,
    way: W,
    /// Written before the first job exists; read by whoever ends the future.
    key: UnsafeCell<usize>,
    /// The poller's while `CLAIMED`; then as [`Output`] says. The future is pinned here.
    stage: UnsafeCell<Stage<Fut>>,
}

/// Spawns a future whose polls go to `home`, and whose first poll `first` queues.
///
/// One allocation; each wake allocates nothing. A refusal by `first` ends the future, and the
/// joiner sees the reason.
pub fn spawn_future<Fut, S>(
    future: Fut,
    home: S,
    waiter: &'static dyn Waiter,
    first: impl FnOnce(Job, &S) -> Result<Ticket, Rejected>,
) -> JoinHandle<Fut::Output>
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
    S: Schedule + Clone,
{
    spawn(future, home, Kept::new(waiter), first)
}

/// As [`spawn_future`], with a home that knows its model's waiter, and without receipts: the cell
/// is four words smaller.
#[inline]
pub fn spawn_at_home<Fut, S>(
    future: Fut,
    home: S,
    first: impl FnOnce(Job, &S) -> Result<(), Rejected>,
) -> JoinHandle<Fut::Output>
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
    S: Schedule + Waits + Clone,
{
    spawn(future, home, OfHome, |job, home| {
        first(job, home).map(|()| Ticket::shared())
    })
}

#[inline]
fn spawn<Fut, S, W>(
    future: Fut,
    home: S,
    way: W,
    first: impl FnOnce(Job, &S) -> Result<Ticket, Rejected>,
) -> JoinHandle<Fut::Output>
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
    S: Schedule + Clone,
    W: Way<S>,
{
    // Three references: the job, the handle, the executor's list.
    let cell = Box::new(FutureCell {
        head: Head {
            header: Header::new(HANDLE | SCHEDULED | (3 * REF_ONE)),
            vtable: &FutureCell::<Fut, S, W>::CELL,
        },
        home,
        way,
        key: UnsafeCell::new(0),
        stage: UnsafeCell::new(Stage::Future(future)),
    });
    let ptr = NonNull::from(Box::leak(cell)).cast::<Head>();
    // SAFETY: the list's reference.
    let task = unsafe { TaskRef::from_raw(ptr) };
    // SAFETY: the handle's reference, held until this function returns at least, keeps the cell.
    let cell = unsafe { FutureCell::<Fut, S, W>::at(ptr) };
    let key = cell.home.adopt(task);
    // SAFETY: no job exists yet, so nobody reads the key.
    cell.key.with_mut(|slot| unsafe { *slot = key });
    // SAFETY: the job's reference.
    let job = unsafe { Job::from_raw(ptr.as_ptr().cast(), &FutureCell::<Fut, S, W>::JOB) };
    let ticket = match first(job, &cell.home) {
        Ok(ticket) => ticket,
        Err(Rejected { job, reason }) => {
            FutureCell::<Fut, S, W>::reject(job, ptr, reason);
            Ticket::shared()
        }
    };
    // SAFETY: the handle's reference.
    unsafe { JoinHandle::from_raw(ptr, ticket) }
}

impl<Fut: Future, S: Schedule + Clone, W: Way<S>> FutureCell<Fut, S, W> {
    const JOB: JobVTable = JobVTable {
        run: Self::job_run,
        drop: Self::job_drop,
    };
    const CELL: CellVTable = CellVTable {
        take: Self::take_output,
        release: Self::release,
        cancel: Self::cancel,
        run_here: Self::run_here,
        waiter: Self::waiter,
        ticket: Self::ticket,
    };
    const WAKER: RawWakerVTable = RawWakerVTable::new(
        Self::waker_clone,
        Self::waker_wake,
        Self::waker_wake_by_ref,
        Self::waker_drop,
    );

    /// # Safety
    /// `ptr` leads to a live cell of this type.
    unsafe fn at<'a>(ptr: NonNull<Head>) -> &'a Self {
        // SAFETY: by the caller; the header is the first field of a `repr(C)` cell.
        unsafe { ptr.cast::<Self>().as_ref() }
    }

    /// # Safety
    /// `data` came from a cell of this type, which is live.
    unsafe fn ptr(data: *const ()) -> NonNull<Head> {
        // SAFETY: cells come from boxes and are never null.
        unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
    }

    fn replace(&self, next: Stage<Fut>) -> Stage<Fut> {
        // SAFETY: only called with no future in the stage, or with one that is never polled
        // again and dropped by the same thread; the caller holds `CLAIMED` or the output.
        self.stage
            .with_mut(|stage| unsafe { core::ptr::replace(stage, next) })
    }

    /// Drops the future where it is pinned; its panic comes back. The caller holds `CLAIMED`.
    fn drop_future(&self) -> Result<(), Payload> {
        unwind::catch(|| {
            // SAFETY: the caller holds `CLAIMED`. The assignment drops the future in place, and
            // leaves `Empty` behind even when that drop panics.
            self.stage
                .with_mut(|stage| unsafe { *stage = Stage::Empty });
        })
    }

    /// Polls once. The caller holds `CLAIMED`.
    fn poll(&self, cx: &mut Context<'_>) -> Result<Poll<Fut::Output>, Payload> {
        unwind::catch(|| {
            self.stage.with_mut(|stage| {
                // SAFETY: `CLAIMED` makes this the only access to the stage.
                let Stage::Future(future) = (unsafe { &mut *stage }) else {
                    unreachable!("invariant: a cell that is not complete holds its future");
                };
                // SAFETY: the cell is on the heap and the future never moves out of it.
                unsafe { Pin::new_unchecked(future) }.poll(cx)
            })
        })
    }

    unsafe fn job_run(data: *mut ()) -> Result<(), Payload> {
        // SAFETY: the job's data.
        let ptr = unsafe { Self::ptr(data) };
        // SAFETY: the job's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        if cell.head.header.start() == Start::Cancel {
            // SAFETY: `start` claimed; the job's reference goes.
            return unsafe { Self::end(ptr, JoinError::Cancelled) };
        }
        // The waker of this poll borrows the job's reference: a future that does not keep it
        // costs no counting.
        // SAFETY: the vtable is this cell's, and the waker is never dropped.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(Self::raw_waker(ptr)) });
        match cell.poll(&mut Context::from_waker(&waker)) {
            Ok(Poll::Pending) => match cell.head.header.idle() {
                Idle::Again => {
                    let wake = if cell.head.header.is_cancelled() {
                        Wake::Woken
                    } else {
                        Wake::Yielded
                    };
                    // SAFETY: the job's reference, passed on.
                    let job = unsafe { Job::from_raw(data, &Self::JOB) };
                    // The job may be run, and the cell freed with its home, before `schedule`
                    // returns.
                    let home = cell.home.clone();
                    home.schedule(job, wake);
                    Ok(())
                }
                Idle::Waiting { last: false } => Ok(()),
                Idle::Waiting { last: true } => {
                    // SAFETY: the last reference was given up.
                    unsafe { Self::free(ptr) };
                    Ok(())
                }
            },
            Ok(Poll::Ready(output)) => {
                let output = match cell.drop_future() {
                    Ok(()) => Ok(output),
                    Err(payload) => Err(Box::new(JoinError::panicked(payload))),
                };
                cell.replace(Stage::Output(output));
                // SAFETY: claimed, output in place, the job's reference goes.
                unsafe { Self::finish(ptr) }
            }
            // SAFETY: claimed; the job's reference goes.
            Err(payload) => unsafe { Self::end(ptr, JoinError::panicked(payload)) },
        }
    }

    unsafe fn job_drop(data: *mut ()) {
        // SAFETY: the job's data.
        let ptr = unsafe { Self::ptr(data) };
        // SAFETY: the job's reference is given up here.
        unsafe { Self::end_unrun(ptr, JoinError::Cancelled) };
    }

    /// # Safety
    /// The caller owns the job's reference, and gives it up.
    unsafe fn end_unrun(ptr: NonNull<Head>, why: JoinError) {
        // SAFETY: the reference keeps the cell.
        let _ = unsafe { Self::at(ptr) }.head.header.start();
        // SAFETY: `start` claimed; the reference goes.
        if let Err(payload) = unsafe { Self::end(ptr, why) } {
            unwind::discard(payload);
        }
    }

    fn reject(job: Job, ptr: NonNull<Head>, reason: Reason) {
        if core::ptr::eq(job.data_ptr(), ptr.as_ptr().cast()) {
            let _ = job.into_raw();
            // SAFETY: the job's reference was taken over.
            unsafe { Self::end_unrun(ptr, JoinError::Rejected(reason)) };
        }
    }

    /// Drops the future and completes with `why`.
    ///
    /// # Safety
    /// The caller holds `CLAIMED` and gives up a reference of its own.
    unsafe fn end(ptr: NonNull<Head>, why: JoinError) -> Result<(), Payload> {
        // SAFETY: the reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        let why = match cell.drop_future() {
            Ok(()) => why,
            // The first panic is the one that is told.
            Err(payload) => match why {
                JoinError::Panicked(first) => {
                    unwind::discard(payload);
                    JoinError::Panicked(first)
                }
                _ => JoinError::panicked(payload),
            },
        };
        cell.replace(Stage::Output(Err(Box::new(why))));
        // SAFETY: claimed, output in place, the reference goes.
        unsafe { Self::finish(ptr) }
    }

    /// # Safety
    /// The caller holds `CLAIMED`, has put the output in place, and gives up a reference.
    unsafe fn finish(ptr: NonNull<Head>) -> Result<(), Payload> {
        // SAFETY: the reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        // SAFETY: the key was written before the first job.
        let listed = cell.home.disown(cell.key.with(|key| unsafe { *key }));
        let references = if listed.is_some() { 2 } else { 1 };
        if cell.head.header.complete_and_release(references) {
            // Given up already.
            core::mem::forget(listed);
            return Ok(());
        }
        let output = if cell.head.header.complete_alone(references) {
            core::mem::forget(listed);
            Output::Orphaned
        } else {
            drop(listed);
            cell.head.header.complete()
        };
        let unseen = match output {
            Output::Joiners => Ok(()),
            Output::Orphaned => match cell.replace(Stage::Empty) {
                Stage::Output(Err(error)) => match *error {
                    JoinError::Panicked(panic) => Err(panic.into_payload()),
                    other => unwind::drop_caught(other),
                },
                other => unwind::drop_caught(other),
            },
        };
        // SAFETY: the caller's reference, not used again.
        unsafe { Self::release(ptr) };
        unseen
    }

    /// # Safety
    /// Gives up a reference that the caller owns.
    unsafe fn release(ptr: NonNull<Head>) {
        // SAFETY: the reference keeps the cell.
        if unsafe { Self::at(ptr) }.head.header.release() {
            // SAFETY: it was the last.
            unsafe { Self::free(ptr) };
        }
    }

    /// # Safety
    /// No reference is left.
    unsafe fn free(ptr: NonNull<Head>) {
        // SAFETY: the cell came from a box of this type, and nobody else has it.
        let cell = unsafe { Box::from_raw(ptr.cast::<Self>().as_ptr()) };
        if !cell.head.header.is_complete() {
            // SAFETY: nobody else has the cell.
            let listed = cell.home.disown(cell.key.with(|key| unsafe { *key }));
            debug_assert!(listed.is_none(), "invariant: no reference is left");
            core::mem::forget(listed);
        }
        let _ = unwind::drop_caught(cell).map_err(unwind::discard);
    }

    /// # Safety
    /// The handle's: complete, not taken before, and `to` has room for a
    /// `Result<Fut::Output, JoinError>`.
    unsafe fn take_output(ptr: NonNull<Head>, to: *mut ()) {
        // SAFETY: the handle's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        let Stage::Output(output) = cell.replace(Stage::Empty) else {
            unreachable!("invariant: a complete cell holds its output");
        };
        let place = to.cast::<Result<Fut::Output, JoinError>>();
        // SAFETY: by the caller.
        unsafe { place.write(output.map_err(|error| *error)) };
    }

    /// # Safety
    /// The caller holds a reference.
    unsafe fn cancel(ptr: NonNull<Head>) -> bool {
        // SAFETY: by the caller.
        let cell = unsafe { Self::at(ptr) };
        match cell.head.header.cancel() {
            None => false,
            Some(false) => true,
            Some(true) => {
                cell.head.header.retain();
                // SAFETY: the reference just added; `SCHEDULED` was set by `cancel`.
                let job = unsafe { Job::from_raw(ptr.as_ptr().cast(), &Self::JOB) };
                cell.home.schedule(job, Wake::Woken);
                true
            }
        }
    }

    /// # Safety
    /// The caller holds a reference.
    unsafe fn waiter(ptr: NonNull<Head>) -> &'static dyn Waiter {
        // SAFETY: by the caller.
        let cell = unsafe { Self::at(ptr) };
        cell.way.shared(&cell.home)
    }

    /// # Safety
    /// The caller holds a reference.
    unsafe fn ticket(ptr: NonNull<Head>) -> Option<NonNull<UnsafeCell<Ticket>>> {
        // SAFETY: by the caller.
        unsafe { Self::at(ptr) }.way.ticket().map(NonNull::from)
    }

    /// A future is never run by its joiner: it belongs to its executor's threads.
    unsafe fn run_here(_: NonNull<Head>) -> bool {
        false
    }

    fn raw_waker(ptr: NonNull<Head>) -> RawWaker {
        RawWaker::new(ptr.as_ptr().cast_const().cast(), &Self::WAKER)
    }

    unsafe fn waker_clone(data: *const ()) -> RawWaker {
        // SAFETY: the waker's data.
        let ptr = unsafe { Self::ptr(data) };
        // SAFETY: the waker's reference keeps the cell.
        unsafe { Self::at(ptr) }.head.header.retain();
        Self::raw_waker(ptr)
    }

    unsafe fn waker_wake(data: *const ()) {
        // SAFETY: the waker's data.
        let ptr = unsafe { Self::ptr(data) };
        // SAFETY: the waker's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        match cell.head.header.wake_and_release() {
            LastWake::MakeJob => {
                // SAFETY: the waker's reference, passed on; `SCHEDULED` was just set.
                let job = unsafe { Job::from_raw(data.cast_mut(), &Self::JOB) };
                // As in `job_run`: the cell may be gone before `schedule` returns.
                let home = cell.home.clone();
                home.schedule(job, Wake::Woken);
            }
            LastWake::Released { last: false } => {}
            // SAFETY: the last reference was given up.
            LastWake::Released { last: true } => unsafe { Self::free(ptr) },
        }
    }

    unsafe fn waker_wake_by_ref(data: *const ()) {
        // SAFETY: the waker's data.
        let ptr = unsafe { Self::ptr(data) };
        // SAFETY: the waker's reference keeps the cell, during `schedule` too.
        let cell = unsafe { Self::at(ptr) };
        if cell.head.header.wake() {
            // SAFETY: the reference that `wake` added as it set `SCHEDULED`.
            let job = unsafe { Job::from_raw(data.cast_mut(), &Self::JOB) };
            cell.home.schedule(job, Wake::Woken);
        }
    }

    unsafe fn waker_drop(data: *const ()) {
        // SAFETY: the waker's data.
        let ptr = unsafe { Self::ptr(data) };
        // SAFETY: the waker's reference.
        unsafe { Self::release(ptr) };
    }
}

/// A counted pointer to a living future, for the list that an executor keeps of its own.
pub struct TaskRef {
    ptr: NonNull<Head>,
}

// SAFETY: only `cancel` and the count are reachable through it, and both are atomic.
unsafe impl Send for TaskRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    /// The caller passes on a reference to a cell of a future.
    unsafe fn from_raw(ptr: NonNull<Head>) -> Self {
        Self { ptr }
    }

    fn vtable(&self) -> &'static CellVTable {
        // SAFETY: this reference keeps the cell.
        unsafe { self.ptr.as_ref() }.vtable
    }

    /// The bare pointer, with the reference: for a list that keeps it in an atomic.
    ///
    /// It is aligned to a machine word at least.
    pub fn into_raw(self) -> NonNull<()> {
        ManuallyDrop::new(self).ptr.cast()
    }

    /// The one that became `ptr` by [`into_raw`](Self::into_raw).
    ///
    /// # Safety
    /// The caller has the pointer from there and gives it back once, or forgets what it gets.
    pub unsafe fn from_bare(ptr: NonNull<()>) -> Self {
        Self { ptr: ptr.cast() }
    }

    /// What its jobs and its join handle are identified by.
    pub fn id(&self) -> JobId {
        JobId::of(self.ptr.as_ptr())
    }

    /// Asks the future to end: it is dropped at its next turn and its joiner sees `Cancelled`.
    /// `false` when it is complete already.
    pub fn cancel(&self) -> bool {
        // SAFETY: this reference keeps the cell.
        unsafe { (self.vtable().cancel)(self.ptr) }
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // SAFETY: this reference, given up once.
        unsafe { (self.vtable().release)(self.ptr) };
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskRef").field(&self.ptr).finish()
    }
}
