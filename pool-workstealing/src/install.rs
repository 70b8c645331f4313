//! `install`: running a closure inside a pool, from wherever, and waiting for it.
//!
//! The closure, its result and the latch lie on the waiting stack; a pointer goes into the
//! injector. When the pool refuses it, the closure runs on the caller.

use exec_core::{
    sync::{Arc, UnsafeCell},
    unwind::{self, AbortOnDrop, Payload},
};

use crate::{job::QueuedJob, latch::Latch, registry::Registry, worker::Worker};

/// What lies on the waiting stack.
struct Call<F, R> {
    /// The job's, until the latch is set; then the caller's.
    body: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<Result<R, Payload>>>,
    latch: Latch,
}

/// A pointer to a [`Call`], sent to the worker that runs it.
struct CallRef<F, R>(*const Call<F, R>);

// SAFETY: the body goes to one worker and the result comes back; both are `Send`.
unsafe impl<F: Send, R: Send> Send for CallRef<F, R> {}

impl<F: FnOnce(Option<&Worker>) -> R, R> CallRef<F, R> {
    fn run(self) {
        let call = self.0;
        std::mem::forget(self);
        {
            // SAFETY: the caller waits for the latch.
            let call = unsafe { &*call };
            // SAFETY: the cells are the job's until the latch is set.
            let body = call.body.with_mut(|body| unsafe { (*body).take() });
            let result = body.map(|body| unwind::catch(|| body(Worker::current())));
            // SAFETY: as above.
            call.result.with_mut(|place| unsafe { *place = result });
        }
        // SAFETY: live until the latch is set.
        let latch = unsafe { &raw const (*call).latch };
        // SAFETY: as above.
        unsafe { Latch::set(latch) };
    }
}

impl<F, R> Drop for CallRef<F, R> {
    /// Dropped unrun, by a stop: the caller finds its closure and runs it.
    fn drop(&mut self) {
        // SAFETY: live until the latch is set.
        let latch = unsafe { &raw const (*self.0).latch };
        // SAFETY: as above.
        unsafe { Latch::set(latch) };
    }
}

/// Runs `f` on a worker of `registry` and returns its result. `f` gets no worker when the pool has
/// stopped: it runs on the caller then.
///
/// # Panics
/// With the panic of `f`.
///
/// # Blocking
/// Until `f` has returned.
pub(crate) fn install<F, R>(registry: &Arc<Registry>, f: F) -> R
where
    F: FnOnce(Option<&Worker>) -> R + Send,
    R: Send,
{
    if let Some(worker) = Worker::current_of(registry) {
        return f(Some(worker));
    }
    let call = Call {
        body: UnsafeCell::new(Some(f)),
        result: UnsafeCell::new(None),
        latch: Latch::new(),
    };
    let sent = CallRef(&raw const call);
    let abort = AbortOnDrop("waiting for a closure that borrows from this stack failed");
    // SAFETY: the call lives until the latch is set, which running or dropping the job does.
    let job = unsafe { QueuedJob::new_borrowed(move || sent.run()) };
    // A worker that has to be woken is not there for a while, and it comes sooner when this thread
    // leaves its CPU to it.
    let soon = registry.sleep.idle().searching() != 0;
    if let Err((job, _)) = registry.inject(|| job) {
        drop(job);
    }
    match Worker::current() {
        // A worker of another pool goes on with its own pool's work.
        Some(worker) => worker.wait_elsewhere(|| call.latch.is_set(), || call.latch.park()),
        None => {
            if soon {
                registry.sleep.stand_in();
                call.latch.spin();
                registry.sleep.stand_down(|| registry.has_forks());
            }
            call.latch.wait();
        }
    }
    std::mem::forget(abort);
    match call.result.into_inner() {
        Some(Ok(result)) => result,
        Some(Err(payload)) => unwind::resume(payload),
        None => {
            let body = call
                .body
                .into_inner()
                .expect("invariant: a call that did not run has its body");
            body(None)
        }
    }
}
