//! The cell of a closure that somebody may join.
//!
//! # Protocol
//! The job and the handle each hold a reference. Whoever sets `CLAIMED` first owns the body: the
//! worker to run it, the handle to cancel it or to run it while it waits. The other one finds
//! the body gone and only lets go of its reference. The claimer writes the output and completes.

use alloc::boxed::Box;
use core::{marker::PhantomData, ptr::NonNull};

use super::{
    header::{CellVTable, HANDLE, Head, Header, Output, REF_ONE},
    way::{Kept, Way as _},
};
use crate::{
    error::{JoinError, Reason},
    executor::Ticket,
    job::{Job, JobVTable},
    sync::UnsafeCell,
    unwind::{self, Payload},
    wait::Waiter,
};

/// What the cell holds at the moment.
enum Stage<F, T> {
    Body(F),
    Output(Result<T, JoinError>),
    Empty,
}

/// One allocation: header, then body or output.
#[repr(C)]
pub(crate) struct CallCell<F, T> {
    head: Head,
    way: Kept,
    /// The claimer's until `COMPLETE`; then as [`Output`] says.
    stage: UnsafeCell<Stage<F, T>>,
    /// Cells are reached through `Header` pointers, so this states what they own.
    owns: PhantomData<(F, T)>,
}

impl<F: FnOnce() -> T, T> CallCell<F, T> {
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

    /// Allocates a cell and returns its job and the pointer that the handle keeps; `waiter` is
    /// the model's.
    ///
    /// # Safety
    /// The caller sees to it that `F` may be run or dropped on whichever thread the job goes to,
    /// and the output dropped there, for as long as the job exists (`Send + 'static`, or a
    /// borrow that is waited for).
    pub(crate) unsafe fn allocate(body: F, waiter: &'static dyn Waiter) -> (Job, NonNull<Head>) {
        let cell = Box::new(Self {
            head: Head {
                header: Header::new(HANDLE | (2 * REF_ONE)),
                vtable: &Self::CELL,
            },
            way: Kept::new(waiter),
            stage: UnsafeCell::new(Stage::Body(body)),
            owns: PhantomData,
        });
        let ptr = NonNull::from(Box::leak(cell)).cast::<Head>();
        // SAFETY: the job holds one of the two references, and `JOB` is for this type.
        (
            unsafe { Job::from_raw(ptr.as_ptr().cast(), &Self::JOB) },
            ptr,
        )
    }

    /// # Safety
    /// `ptr` leads to a live cell of this type.
    unsafe fn at<'a>(ptr: NonNull<Head>) -> &'a Self {
        // SAFETY: by the caller; the header is the first field of a `repr(C)` cell.
        unsafe { ptr.cast::<Self>().as_ref() }
    }

    fn replace(&self, next: Stage<F, T>) -> Stage<F, T> {
        // SAFETY: the callers hold the claim, or the output after completion (module head).
        self.stage
            .with_mut(|stage| unsafe { core::ptr::replace(stage, next) })
    }

    /// Runs the body; the caller has claimed it.
    fn run_claimed(&self) {
        let Stage::Body(body) = self.replace(Stage::Empty) else {
            unreachable!("invariant: a claimed cell still has its body");
        };
        let output = unwind::catch(body).map_err(JoinError::panicked);
        self.replace(Stage::Output(output));
    }

    /// Drops the body unrun and puts `why` in its place; the caller has claimed it.
    fn drop_claimed(&self, why: JoinError) {
        let body = self.replace(Stage::Empty);
        let output = match unwind::drop_caught(body) {
            Ok(()) => why,
            Err(payload) => JoinError::panicked(payload),
        };
        self.replace(Stage::Output(Err(output)));
    }

    /// Drops an output that nobody will read; a panic in it comes back.
    fn drop_orphan(&self) -> Result<(), Payload> {
        match self.replace(Stage::Empty) {
            Stage::Output(Err(JoinError::Panicked(panic))) => Err(panic.into_payload()),
            other => unwind::drop_caught(other),
        }
    }

    /// Completes, then gives up the reference at `ptr`.
    ///
    /// # Safety
    /// The caller claimed the body, has put the output in place, and owns a reference.
    unsafe fn finish(ptr: NonNull<Head>) -> Result<(), Payload> {
        // SAFETY: the caller's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        if cell.head.header.complete_and_release(1) {
            return Ok(());
        }
        let unseen = match cell.head.header.complete() {
            Output::Joiners => Ok(()),
            Output::Orphaned => cell.drop_orphan(),
        };
        // SAFETY: the caller's reference, given up here and not used again.
        unsafe { Self::release(ptr) };
        unseen
    }

    unsafe fn job_run(data: *mut ()) -> Result<(), Payload> {
        // SAFETY: `data` came from `allocate`, never null.
        let ptr = unsafe { NonNull::new_unchecked(data.cast::<Head>()) };
        // SAFETY: the job's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        if !cell.head.header.claim() {
            // SAFETY: the job's reference; the claimer does everything else.
            unsafe { Self::release(ptr) };
            return Ok(());
        }
        cell.run_claimed();
        // SAFETY: claimed, output in place, and the job's reference goes with it.
        unsafe { Self::finish(ptr) }
    }

    unsafe fn job_drop(data: *mut ()) {
        // SAFETY: `data` came from `allocate`, never null.
        let ptr = unsafe { NonNull::new_unchecked(data.cast::<Head>()) };
        // SAFETY: this is the job's own reference.
        unsafe { Self::end_unrun(ptr, JoinError::Cancelled) };
    }

    /// # Safety
    /// The caller owns the job's reference, and gives it up.
    unsafe fn end_unrun(ptr: NonNull<Head>, why: JoinError) {
        // SAFETY: the reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        if !cell.head.header.claim() {
            // SAFETY: as in `job_run`.
            unsafe { Self::release(ptr) };
            return;
        }
        cell.drop_claimed(why);
        // SAFETY: claimed, output in place, and the job's reference goes with it.
        if let Err(payload) = unsafe { Self::finish(ptr) } {
            unwind::discard(payload);
        }
    }

    /// Ends a job that was refused: its joiner sees the reason.
    pub(crate) fn reject(job: Job, ptr: NonNull<Head>, reason: Reason) {
        if let Some(ptr) = Self::own_job(job, ptr) {
            // SAFETY: `own_job` took over the job's reference.
            unsafe { Self::end_unrun(ptr, JoinError::Rejected(reason)) };
        }
    }

    /// Takes the body back out of a job that was refused. The handle must not be used after.
    ///
    /// `None` when the executor handed back another job than it was given, or had run it.
    pub(crate) fn take_back(job: Job, ptr: NonNull<Head>) -> Option<F> {
        let ptr = Self::own_job(job, ptr)?;
        // SAFETY: the job's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        let body = cell.head.header.claim().then(|| cell.replace(Stage::Empty));
        // SAFETY: the job's reference.
        unsafe { Self::release(ptr) };
        match body {
            Some(Stage::Body(body)) => Some(body),
            _ => None,
        }
    }

    fn own_job(job: Job, ptr: NonNull<Head>) -> Option<NonNull<Head>> {
        if !core::ptr::eq(job.data_ptr(), ptr.as_ptr().cast()) {
            // Another job than the one that was offered: dropping it cancels it.
            drop(job);
            return None;
        }
        let _ = job.into_raw();
        Some(ptr)
    }

    /// # Safety
    /// The handle's: the cell is complete, its output was not taken, and `to` has room for a
    /// `Result<T, JoinError>`.
    unsafe fn take_output(ptr: NonNull<Head>, to: *mut ()) {
        // SAFETY: the handle's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        let Stage::Output(output) = cell.replace(Stage::Empty) else {
            unreachable!("invariant: a complete cell holds its output");
        };
        // SAFETY: by the caller.
        unsafe { to.cast::<Result<T, JoinError>>().write(output) };
    }

    /// # Safety
    /// Gives up a reference that the caller owns.
    unsafe fn release(ptr: NonNull<Head>) {
        // SAFETY: the reference keeps the cell.
        if unsafe { Self::at(ptr) }.head.header.release() {
            // SAFETY: it was the last reference, and the cell came from a box of this type.
            let cell = unsafe { Box::from_raw(ptr.cast::<Self>().as_ptr()) };
            let _ = unwind::drop_caught(cell).map_err(unwind::discard);
        }
    }

    /// # Safety
    /// The caller holds a reference.
    unsafe fn cancel(ptr: NonNull<Head>) -> bool {
        // SAFETY: by the caller.
        let cell = unsafe { Self::at(ptr) };
        if !cell.head.header.claim() {
            return false;
        }
        cell.drop_claimed(JoinError::Cancelled);
        // The handle that cancels exists, so the output is the joiner's.
        let _ = cell.head.header.complete();
        true
    }

    /// # Safety
    /// The caller holds a reference.
    unsafe fn waiter(ptr: NonNull<Head>) -> &'static dyn Waiter {
        // SAFETY: by the caller.
        unsafe { Self::at(ptr) }.way.shared(&())
    }

    /// # Safety
    /// The caller holds a reference.
    unsafe fn ticket(ptr: NonNull<Head>) -> Option<NonNull<UnsafeCell<Ticket>>> {
        // SAFETY: by the caller.
        let way = &unsafe { Self::at(ptr) }.way;
        crate::task::way::Way::<()>::ticket(way).map(NonNull::from)
    }

    /// # Safety
    /// The caller is the handle.
    unsafe fn run_here(ptr: NonNull<Head>) -> bool {
        // SAFETY: the handle's reference keeps the cell.
        let cell = unsafe { Self::at(ptr) };
        if cell.head.header.is_claimed() || !cell.head.header.claim() {
            return false;
        }
        cell.run_claimed();
        let _ = cell.head.header.complete();
        true
    }
}
