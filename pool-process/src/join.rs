//! The handle of a job: one joiner, blocking or async.

use core::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use exec_core::{
    Ground, StdGround,
    sync::Arc,
    wait::{Completion as _, Waited},
};
use serde::de::DeserializeOwned;

use crate::{
    call::{Call, Outcome},
    error::{JobError, Reason},
    shared::Shared,
};

/// The one right to the result of a job.
///
/// [`join`](Self::join) blocks for it, `.await` waits for it in a future, under any executor. There
/// is one joiner: the handle is not `Clone`. Dropping it detaches the job, which runs on.
///
/// # Examples
/// ```
/// # use pool_process::{Function, JobError, ProcessPool};
/// static HALF: Function<u32, u32> = Function::new("half", |n| {
///     assert!(n % 2 == 0, "{n} is odd");
///     n / 2
/// });
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// pool_process::init(&[&HALF]);
/// let pool = ProcessPool::new(1)?;
/// assert_eq!(pool.spawn(&HALF, 8).join()?, 4);
/// let error = pool.spawn(&HALF, 7).join();
/// assert_eq!(error, Err(JobError::Panicked("7 is odd".into())));
/// # Ok(()) }
/// ```
#[must_use = "dropping a JoinHandle detaches the job; call `detach` to say that you mean it"]
pub struct JoinHandle<R> {
    inner: Inner,
    result: PhantomData<fn() -> R>,
}

enum Inner {
    Accepted(Arc<Shared>, Arc<Call>),
    Refused(Reason),
    Taken,
}

impl<R: DeserializeOwned> JoinHandle<R> {
    pub(crate) fn accepted(shared: Arc<Shared>, call: Arc<Call>) -> Self {
        Self {
            inner: Inner::Accepted(shared, call),
            result: PhantomData,
        }
    }

    pub(crate) fn refused(reason: Reason) -> Self {
        Self {
            inner: Inner::Refused(reason),
            result: PhantomData,
        }
    }

    /// Waits for the job and returns its result.
    ///
    /// # Errors
    /// See [`JobError`]: the job panicked, its worker died under it, its time was up, it was
    /// cancelled or refused.
    ///
    /// # Blocking
    /// Until the job has ended. The thread reads the answer from the worker itself where it can.
    pub fn join(mut self) -> Result<R, JobError> {
        if let Inner::Accepted(shared, call) = &self.inner {
            if shared.is_forked() {
                return Err(JobError::Rejected(Reason::Forked));
            }
            let waited = shared.wait(call, None);
            debug_assert_eq!(waited, Waited::Done, "invariant: no end was given");
        }
        self.take()
    }

    /// As [`join`](Self::join), for `timeout` at most. The job runs on.
    ///
    /// # Errors
    /// The handle itself when the time was up.
    ///
    /// # Blocking
    /// Until the job has ended or `timeout` has passed.
    pub fn join_timeout(mut self, timeout: Duration) -> Result<Result<R, JobError>, Self> {
        if let Inner::Accepted(shared, call) = &self.inner {
            if shared.is_forked() {
                return Ok(Err(JobError::Rejected(Reason::Forked)));
            }
            let until = StdGround.now().saturating_add(timeout);
            if shared.wait(call, Some(until)) != Waited::Done {
                return Err(self);
            }
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Result<R, JobError> {
        match core::mem::replace(&mut self.inner, Inner::Taken) {
            Inner::Accepted(_, call) => match call.take() {
                Some(outcome) => decode(outcome),
                None => unreachable!("invariant: taken only when complete"),
            },
            Inner::Refused(reason) => Err(JobError::Rejected(reason)),
            Inner::Taken => panic!("a JoinHandle was polled after it had returned its result"),
        }
    }
}

fn decode<R: DeserializeOwned>(outcome: Outcome) -> Result<R, JobError> {
    postcard::from_bytes(&outcome?)
        .map_err(|why| JobError::Codec(format!("the result could not be read: {why}")))
}

impl<R> JoinHandle<R> {
    /// Whether the job has ended, so that [`join`](Self::join) would not wait for it.
    pub fn is_finished(&self) -> bool {
        match &self.inner {
            Inner::Accepted(shared, call) => shared.is_forked() || shared.look(call),
            Inner::Refused(_) | Inner::Taken => true,
        }
    }

    /// Takes the job back if no worker has it yet; `true` when it will end as
    /// [`JobError::Cancelled`]. A job that runs is not stopped (`false`).
    pub fn cancel(&self) -> bool {
        self.stop(false)
    }

    /// As [`cancel`](Self::cancel), and a job that runs is killed with its worker: no destructor of
    /// it runs, its files and connections are closed, what it has written stays as it is.
    ///
    /// `true` unless the job had ended before. It ends as [`JobError::Cancelled`], unless its
    /// answer was under way already.
    pub fn kill(&self) -> bool {
        self.stop(true)
    }

    fn stop(&self, kill: bool) -> bool {
        match &self.inner {
            Inner::Accepted(shared, call) => !shared.is_forked() && shared.cancel(call, kill),
            Inner::Refused(_) | Inner::Taken => false,
        }
    }

    /// Lets the job run on without a joiner; what becomes of it, if it is an error, goes to the
    /// pool's failure handler.
    pub fn detach(self) {
        drop(self);
    }
}

impl<R: DeserializeOwned> Future for JoinHandle<R> {
    type Output = Result<R, JobError>;

    /// # Panics
    /// When it is polled again after it was ready.
    ///
    /// # Cancel safety
    /// Nothing is lost when the handle is polled and not finished: poll it again, or `join` it.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Inner::Accepted(shared, call) = &self.inner {
            if shared.is_forked() {
                self.inner = Inner::Refused(Reason::Forked);
            } else if !call.subscribe(cx.waker()) {
                shared.arm(call);
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take())
    }
}

impl<R> Drop for JoinHandle<R> {
    fn drop(&mut self) {
        if let Inner::Accepted(shared, call) = &self.inner
            && !shared.is_forked()
        {
            match call.detach() {
                Some(Err(error)) => shared.unjoined(call, &error),
                Some(Ok(_)) => {}
                None => shared.arm(call),
            }
        }
    }
}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.inner {
            Inner::Accepted(_, call) => {
                return f
                    .debug_struct("JoinHandle")
                    .field("function", &call.name)
                    .finish_non_exhaustive();
            }
            Inner::Refused(reason) => format!("refused: {reason}"),
            Inner::Taken => "taken".to_owned(),
        };
        f.debug_tuple("JoinHandle").field(&state).finish()
    }
}
