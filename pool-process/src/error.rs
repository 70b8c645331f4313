//! What can go wrong with a job, and what the caller still owns then.

use core::{fmt, time::Duration};

/// Why the pool did not take a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The pool is shutting down or has shut down.
    ShutDown,
    /// The bounded queue holds as many jobs as it may.
    Full,
    /// The process was forked after the pool was built: the workers are its parent's.
    Forked,
    /// This function was not given to [`init`](crate::init).
    NotRegistered(&'static str),
    /// The arguments could not be written down; the text says why.
    Encode(String),
    /// The arguments take more bytes than a message may have.
    TooLarge {
        /// What they take.
        bytes: usize,
        /// What a message may have.
        max: usize,
    },
    /// No worker can be started; the text says why.
    NoWorker(String),
    /// A time limit of zero: no job ends in no time.
    NoTime,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => f.write_str("the pool has been shut down; spawn on a live one"),
            Self::Full => f.write_str("the queue is full; retry later or build with a larger one"),
            Self::Forked => f.write_str(
                "the process was forked and the workers are its parent's; build a pool after the \
                 fork",
            ),
            Self::NotRegistered(name) => write!(
                f,
                "'{name}' is not registered; add it to the list that pool_process::init gets at \
                 the start of main"
            ),
            Self::Encode(why) => write!(f, "the arguments could not be serialized: {why}"),
            Self::TooLarge { bytes, max } => write!(
                f,
                "the arguments take {bytes} bytes and a message holds {max}; pass the name of a \
                 file instead"
            ),
            Self::NoWorker(why) => write!(f, "no worker can be started: {why}"),
            Self::NoTime => f.write_str("a time limit of zero lets no job end; give it some time"),
        }
    }
}

impl core::error::Error for Reason {}

/// A refused job: its arguments, and why it was refused.
pub struct Rejected<A> {
    /// The arguments, as they were given.
    pub args: A,
    /// The reason.
    pub reason: Reason,
}

impl<A> Rejected<A> {
    /// The arguments, for another try.
    pub fn into_args(self) -> A {
        self.args
    }
}

impl<A> fmt::Debug for Rejected<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Display for Rejected<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job was refused: {}", self.reason)
    }
}

impl<A> core::error::Error for Rejected<A> {}

/// How a worker process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Signalled(i32),
    /// Something else in this process has waited for it, and has its status.
    Unknown,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The numbers that differ between Linux's architectures are left out.
        let name = |signal| match signal {
            4 => " (SIGILL: an illegal instruction)",
            6 => " (SIGABRT: it aborted; also what Rust does when memory ends)",
            8 => " (SIGFPE: an arithmetic fault)",
            9 => " (SIGKILL: killed from outside, perhaps for lack of memory)",
            11 => " (SIGSEGV: a bad address, or a stack that overflowed)",
            15 => " (SIGTERM)",
            _ => "",
        };
        match *self {
            Self::Exited(code) => write!(f, "it exited with code {code}"),
            Self::Signalled(signal) => write!(f, "signal {signal} ended it{}", name(signal)),
            Self::Unknown => f.write_str("something else in this process waited for it"),
        }
    }
}

/// Why a job has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobError {
    /// The job panicked with this message; its worker lives on.
    Panicked(String),
    /// The worker that ran the job ended under it.
    Died(Ended),
    /// The job took longer than its limit, and its worker was killed.
    TimedOut(Duration),
    /// The job was cancelled: by its handle, or by a shutdown.
    Cancelled,
    /// The pool refused the job, or could not keep a worker alive for it.
    Rejected(Reason),
    /// Arguments or result did not survive the way between the processes; the text says why.
    Codec(String),
    /// The worker sent what it never should have, and was killed: the job has overwritten memory
    /// that was not its own, or the pool's socket.
    Garbled,
}

impl JobError {
    /// Whether the job was cancelled.
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// Whether the job panicked.
    pub const fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Whether the job took its worker with it.
    pub const fn is_crash(&self) -> bool {
        matches!(self, Self::Died(_) | Self::Garbled)
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(text) => write!(f, "the job panicked: {text}"),
            Self::Died(ended) => write!(f, "the worker died under the job: {ended}"),
            Self::TimedOut(limit) => write!(
                f,
                "the job took longer than {limit:?} and its worker was killed; give it more time"
            ),
            Self::Cancelled => f.write_str("the job was cancelled before it finished"),
            Self::Rejected(reason) => write!(f, "the job was refused: {reason}"),
            Self::Codec(why) => write!(f, "the job's values could not be passed on: {why}"),
            Self::Garbled => f.write_str(
                "the worker sent bytes that are no answer and was killed; the job has written \
                 over memory or a descriptor that was not its own",
            ),
        }
    }
}

impl core::error::Error for JobError {}
