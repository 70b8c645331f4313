//! The ground a model stands on: parking, time and threads.
//!
//! [`Ground`] is the object-safe half (how the *current* thread waits and what time it is);
//! [`Threads`] adds what only a scheduler needs (create, join, one pointer of thread-local
//! state). A scheduler written against `Threads` runs on Linux, in our kernel and under loom
//! without a change.
//!
//! # Protocol of park and unpark
//! Each thread has one token. [`Waker::wake`] of that thread's [`unparker`](Ground::unparker)
//! sets the token and wakes the thread; [`park`](Ground::park) returns at once when the token is
//! set, and clears it. Returning without a token (spuriously) is allowed, so every caller loops
//! over its own condition.
//!
//! # Why nothing is lost
//! The token remembers an unpark that comes before its park. A caller that publishes "I am
//! about to sleep", then re-checks its condition, then parks, cannot miss a waker that changes
//! the condition, then reads the publication, then unparks.

use alloc::borrow::Cow;
use core::{fmt, task::Waker, time::Duration};

use crate::job::Job;

/// A point in monotonic time: nanoseconds since a moment that the ground chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The end of time: a deadline that is never reached.
    pub const MAX: Self = Self(u64::MAX);

    /// This point plus `d`, or [`MAX`](Self::MAX) when that would not fit.
    pub const fn saturating_add(self, d: Duration) -> Self {
        let nanos = d.as_nanos();
        if nanos > u64::MAX as u128 {
            Self::MAX
        } else {
            Self(self.0.saturating_add(nanos as u64))
        }
    }

    /// How long after `earlier` this point is; zero when it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// How the current thread waits, and what time it is.
pub trait Ground: Send + Sync + 'static {
    /// Waits for this thread's token, until `until` at the latest.
    ///
    /// # Blocking
    /// Until the token is set or `until` has come; may return early for no reason.
    fn park(&self, until: Option<Nanos>);

    /// A waker that sets this thread's token; it stays valid after the thread has ended.
    fn unparker(&self) -> Waker;

    /// Lets another thread of this CPU run.
    fn yield_now(&self);

    /// The monotonic time.
    fn now(&self) -> Nanos;

    /// How many threads can run at the same moment; at least 1.
    fn parallelism(&self) -> usize;
}

/// What a new thread should be.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ThreadSpec {
    /// The name that debuggers and process viewers show; Linux shows its first 15 bytes.
    pub name: Option<Cow<'static, str>>,
    /// Bytes of stack; `None` takes the ground's default.
    pub stack_size: Option<usize>,
}

impl ThreadSpec {
    /// A thread with the ground's defaults.
    pub const fn new() -> Self {
        Self {
            name: None,
            stack_size: None,
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the stack size in bytes.
    #[must_use]
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }
}

/// Why a thread could not be created, with the entry it would have run.
pub struct CreateError {
    /// The entry, not run.
    pub entry: Job,
    /// The reason.
    pub reason: CreateReason,
}

/// Why a ground refused to create a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateReason {
    /// The system has no thread to give now; the text is the system's own.
    OutOfThreads(Cow<'static, str>),
    /// The stack size or the name cannot be used; the text says what can.
    BadSpec(Cow<'static, str>),
}

impl fmt::Display for CreateReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfThreads(why) => write!(f, "the system gives no more threads: {why}"),
            Self::BadSpec(why) => write!(f, "the thread cannot be made as asked: {why}"),
        }
    }
}

impl fmt::Debug for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for CreateReason {}
impl core::error::Error for CreateError {}

/// Why a thread could not be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadJoinError {
    /// A thread tried to join itself.
    WouldDeadlock,
    /// The ground does not know the thread, or another joiner was first.
    Unknown,
}

impl fmt::Display for ThreadJoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldDeadlock => "a thread cannot join itself",
            Self::Unknown => "no such thread, or it was joined already",
        })
    }
}

impl core::error::Error for ThreadJoinError {}

/// The ground a scheduler builds on: everything of [`Ground`], and threads.
///
/// A ground is a name for something the whole process shares (the host's threads, the kernel's
/// system calls), so it is a small `Copy` value with a default and carries no state of its own.
pub trait Threads: Ground + Copy + Default {
    /// One thread, joined at most once; dropping it detaches the thread.
    type Thread: Send + Sync;

    /// Starts a thread that runs `entry` once and ends with code 0.
    ///
    /// # Errors
    /// The entry comes back, not run, with the reason.
    fn create(&self, spec: &ThreadSpec, entry: Job) -> Result<Self::Thread, CreateError>;

    /// Waits for a thread to end and returns its exit code.
    ///
    /// # Errors
    /// [`ThreadJoinError::WouldDeadlock`] for the thread itself (it is detached then).
    ///
    /// # Blocking
    /// Until the thread has ended.
    fn join(&self, thread: Self::Thread) -> Result<i32, ThreadJoinError>;

    /// Whether `thread` is the one that asks.
    fn is_current(&self, thread: &Self::Thread) -> bool;

    /// This thread's one pointer of local state; null until it is set.
    fn local(&self) -> *mut ();

    /// Sets this thread's one pointer of local state.
    ///
    /// By convention the pointer is null or leads to a live block whose first word tells its
    /// owner (an address that only the owner knows), and whoever sets it puts the former
    /// pointer back before it returns to code that is not its own.
    ///
    /// # Safety
    /// `p` is null or leads to a block as above that lives until the pointer is replaced.
    unsafe fn set_local(&self, p: *mut ());

    /// Asks the ground to end this thread's parks that have an end as punctually as it can, where
    /// it would otherwise put them off to save wakes.
    fn be_punctual(&self) {}

    /// Ends the whole process at once with `code`, where the ground has that call
    /// (`exit_group` in our kernel); returns when it has not.
    fn exit_group(&self, _code: i32) {}
}

#[cfg(feature = "std")]
pub use self::std_ground::StdGround;

#[cfg(feature = "std")]
mod std_ground {
    use alloc::{sync::Arc, task::Wake};
    use core::task::Waker;
    use std::time::Instant;

    use super::{Ground, Nanos};
    use crate::sync::thread;

    /// The host's own parking and clock.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct StdGround;

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
        fn wake_by_ref(self: &Arc<Self>) {
            self.0.unpark();
        }
    }

    #[cfg(not(loom))]
    fn origin() -> Instant {
        static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *ORIGIN.get_or_init(Instant::now)
    }

    impl Ground for StdGround {
        #[cfg(not(loom))]
        fn park(&self, until: Option<Nanos>) {
            match until {
                None | Some(Nanos::MAX) => thread::park(),
                Some(at) => {
                    let left = at.saturating_since(self.now());
                    if !left.is_zero() {
                        thread::park_timeout(left);
                    }
                }
            }
        }

        /// Loom has no time: a deadline is never reached there.
        #[cfg(loom)]
        fn park(&self, _until: Option<Nanos>) {
            thread::park();
        }

        #[cfg(not(loom))]
        fn unparker(&self) -> Waker {
            std::thread_local! {
                // One allocation a thread, not one a wait.
                static UNPARK: Waker = Waker::from(Arc::new(Unpark(thread::current())));
            }
            // A thread whose locals are gone already still gets a waker of its own.
            UNPARK
                .try_with(Waker::clone)
                .unwrap_or_else(|_| Waker::from(Arc::new(Unpark(thread::current()))))
        }

        #[cfg(loom)]
        fn unparker(&self) -> Waker {
            Waker::from(Arc::new(Unpark(thread::current())))
        }

        fn yield_now(&self) {
            thread::yield_now();
        }

        #[cfg(not(loom))]
        fn now(&self) -> Nanos {
            Nanos::default().saturating_add(origin().elapsed())
        }

        #[cfg(loom)]
        fn now(&self) -> Nanos {
            let _: Option<Instant> = None;
            Nanos(0)
        }

        fn parallelism(&self) -> usize {
            #[cfg(not(loom))]
            return thread::available_parallelism().map_or(1, usize::from);
            #[cfg(loom)]
            return 2;
        }
    }
}
