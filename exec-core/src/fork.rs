//! Fork-join over nothing but `schedule` and `wait`.
//!
//! # Protocol
//! `b` becomes a job, `a` runs here. Then, when nobody has started `b`, it runs here too;
//! otherwise this thread waits for the one that did. On a model with a thread per job the
//! thread is joined.
//!
//! # Why nothing is lost
//! Both closures borrow from this stack. The guard [`Forked`] does not let go of the frame, not
//! even while `a` unwinds, before `b` has run, or has been claimed and will never start.

use core::mem::ManuallyDrop;

use crate::{
    error::{JoinError, Rejected},
    executor::{Executor, Meta, Ticket},
    job::Job,
    join::JoinHandle,
    task::call::CallCell,
    unwind,
};

/// Runs `a` here and `b` as a job of `exec`, and returns when both are done. What a model that
/// has no cheaper way calls from its [`Executor::join_dyn`]; one allocation.
///
/// # Panics
/// With the panic of `a`, or else of `b`, after both have ended or will never start.
///
/// # Blocking
/// Until both are done.
pub fn fork_join(
    exec: &(impl Executor + ?Sized),
    a: &mut (dyn FnMut() + Send),
    b: &mut (dyn FnMut() + Send),
) {
    fork_with(exec, a, b);
}

fn fork_with<B: FnOnce() + Send>(
    exec: &(impl Executor + ?Sized),
    a: &mut (dyn FnMut() + Send),
    b: B,
) {
    // SAFETY: `b` is `Send` and outlives the job: `Forked` ends, by `finish` or by drop, only
    // when the body has run or can no longer start.
    let (job, ptr) = unsafe { CallCell::<B, ()>::allocate(b, exec.waiter()) };
    // Where there is no room, `b` is better run here than waited with.
    let meta = Meta::new().without_waiting();
    let (ticket, refused) = match exec.schedule(job, &meta) {
        Ok(ticket) => (ticket, None),
        Err(Rejected { job, .. }) => (Ticket::shared(), Some(job)),
    };
    // SAFETY: the handle's reference to a cell of this type.
    let handle = unsafe { JoinHandle::from_raw(ptr, ticket) };
    let forked = Forked {
        handle: ManuallyDrop::new(handle),
        refused,
    };
    a();
    match forked.finish() {
        Ok(()) => {}
        Err(JoinError::Panicked(panic)) => unwind::resume(panic.into_payload()),
        // Dropped unrun by a shutdown that came in between: a caller that goes on as if `b`
        // had run would be wrong.
        Err(other) => panic!("join(a, b): b did not run: {other}"),
    }
}

/// Holds the frame until `b` is out of it.
struct Forked {
    handle: ManuallyDrop<JoinHandle<()>>,
    /// The job, when the executor did not take it: it runs here.
    refused: Option<Job>,
}

impl Forked {
    fn finish(mut self) -> Result<(), JoinError> {
        if let Some(job) = self.refused.take() {
            // The handle exists, so a panic goes there.
            let _ = job.run().map_err(unwind::discard);
        }
        // SAFETY: `self` is forgotten below, so the handle is taken once.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        core::mem::forget(self);
        handle.join_borrowed()
    }
}

impl Drop for Forked {
    /// `a` unwinds: `b` will not start any more, or is waited for.
    fn drop(&mut self) {
        drop(self.refused.take());
        // SAFETY: `finish` forgets `self`, so the handle is taken once.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        handle.cancel();
        // The panic of `a` goes on; what `b` did is not told twice.
        if let Err(JoinError::Panicked(panic)) = handle.join_borrowed() {
            unwind::discard(panic.into_payload());
        }
    }
}
