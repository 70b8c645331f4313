//! Whether the process was forked since: threads do not survive a fork.
//!
//! A child of `fork` has the memory of an executor and none of its workers. Work that it queues
//! there would wait for ever, so an executor notes the [`count`] when it is built and refuses with
//! [`Reason::Forked`](crate::Reason::Forked) when it has changed. Asking costs one load of a word
//! that nobody writes.
//!
//! Where the system has no fork, or cannot tell, the count stays 0.

#[cfg(not(loom))]
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(not(loom))]
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// How many forks lie between this process and the one that asked first.
#[cfg(not(loom))]
#[inline]
pub fn count() -> usize {
    // ORDERING: written in a child that has one thread, before that thread leaves `fork`.
    FORKS.load(Relaxed)
}

/// Loom's processes do not fork.
#[cfg(loom)]
pub fn count() -> usize {
    0
}

/// Begins to count, and returns the count: to be called before the first thread is started.
pub fn watch() -> usize {
    #[cfg(all(unix, not(loom), not(miri)))]
    system::register();
    count()
}

#[cfg(all(unix, not(loom), not(miri)))]
mod system {
    use core::ffi::c_int;
    use std::sync::Once;

    use super::{FORKS, Relaxed};

    unsafe extern "C" {
        /// POSIX: calls `child` in the child of each fork, before `fork` returns there.
        fn pthread_atfork(
            prepare: Option<unsafe extern "C" fn()>,
            parent: Option<unsafe extern "C" fn()>,
            child: Option<unsafe extern "C" fn()>,
        ) -> c_int;
    }

    /// Touches one atomic and nothing else, as a fork handler must.
    unsafe extern "C" fn in_child() {
        // ORDERING: see `count`.
        FORKS.fetch_add(1, Relaxed);
    }

    pub(super) fn register() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handler is async-signal-safe and lives for ever, being code. A refusal
            // (no memory) leaves forks unseen, which is no worse than without.
            let _ = unsafe { pthread_atfork(None, None, Some(in_child)) };
        });
    }
}
