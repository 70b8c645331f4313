//! What can go wrong, and what the caller still owns then.

use core::fmt;

use crate::{
    job::Job,
    unwind::{Panic, Payload},
};

/// Why a model did not take a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The executor is shutting down or has shut down.
    ShutDown,
    /// The bounded queue holds as many jobs as it may.
    Full,
    /// The ground gives no further thread.
    OutOfThreads(crate::ground::CreateReason),
    /// The process was forked after the executor was built: its threads are not in this child.
    Forked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => f.write_str("the executor has been shut down; spawn on a live one"),
            Self::Full => f.write_str(
                "the queue is full; retry later, run the job here, or build with a larger queue",
            ),
            Self::OutOfThreads(why) => {
                write!(
                    f,
                    "{why}; wait for running jobs or use a model with fewer threads"
                )
            }
            Self::Forked => f.write_str(
                "the process was forked and the workers stayed behind; build an executor after \
                 the fork",
            ),
        }
    }
}

impl core::error::Error for Reason {}

/// Refused work: the work itself, and why it was refused.
pub struct Rejected<J = Job> {
    /// The work, not run.
    pub job: J,
    /// The reason.
    pub reason: Reason,
}

impl<J> Rejected<J> {
    /// Refuses `job` for `reason`.
    pub const fn new(job: J, reason: Reason) -> Self {
        Self { job, reason }
    }

    /// The work, for another try.
    pub fn into_job(self) -> J {
        self.job
    }
}

impl<J> fmt::Debug for Rejected<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<J> fmt::Display for Rejected<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job was refused: {}", self.reason)
    }
}

impl<J> core::error::Error for Rejected<J> {}

/// Why a joined job has no result.
///
/// # Examples
/// It goes into every box of errors:
/// ```
/// fn boxed(error: exec_core::JoinError) -> Box<dyn std::error::Error + Send + Sync> {
///     error.into()
/// }
/// ```
#[non_exhaustive]
pub enum JoinError {
    /// The job panicked.
    Panicked(Panic),
    /// The job was cancelled, or dropped unrun by a shutdown.
    Cancelled,
    /// The thread that ran the job ended with this code before the job returned.
    Exited(i32),
    /// The executor refused the job.
    Rejected(Reason),
    /// Waiting here could never end; the job goes on without a joiner.
    WouldDeadlock,
}

impl JoinError {
    /// That the job panicked with `payload`.
    pub(crate) fn panicked(payload: Payload) -> Self {
        Self::Panicked(Panic::new(payload))
    }

    /// Goes on with the job's panic in this thread.
    ///
    /// # Panics
    /// Always: with the job's own payload, or with the text of the error.
    pub fn resume(self) -> ! {
        match self {
            Self::Panicked(panic) => crate::unwind::resume(panic.into_payload()),
            other => panic!("{other}"),
        }
    }

    /// Whether the job was cancelled.
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// Whether the job panicked.
    pub const fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// The payload of the job's panic.
    ///
    /// # Errors
    /// The error itself when it is not a panic.
    pub fn try_into_panic(self) -> Result<Payload, Self> {
        match self {
            Self::Panicked(panic) => Ok(panic.into_payload()),
            other => Err(other),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => match panic.message() {
                Some(text) => write!(f, "the job panicked: {text}"),
                None => f.write_str("the job panicked"),
            },
            Self::Cancelled => f.write_str("the job was cancelled before it finished"),
            Self::Exited(code) => write!(f, "the job's thread ended early with code {code}"),
            Self::Rejected(reason) => write!(f, "the job was refused: {reason}"),
            Self::WouldDeadlock => f.write_str(
                "waiting here would never end: every worker of the pool would be waiting, or the \
                 job waits for itself; join from outside the pool, use scope() or join(a, b), or \
                 build it with more threads",
            ),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => f.debug_tuple("Panicked").field(&panic.message()).finish(),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::Exited(code) => f.debug_tuple("Exited").field(code).finish(),
            Self::Rejected(reason) => f.debug_tuple("Rejected").field(reason).finish(),
            Self::WouldDeadlock => f.write_str("WouldDeadlock"),
        }
    }
}

impl core::error::Error for JoinError {}
