//! A gate that many threads wait at until it is opened.

use alloc::sync::Arc;

use exec_core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::syscall;

/// Closed, until it is opened for good.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Words>);

#[derive(Default)]
struct Words {
    is_open: AtomicU32,
    waiting: AtomicU32,
}

impl Gate {
    /// Waits until it is open.
    pub(crate) fn pass(&self) {
        self.0.waiting.fetch_add(1, SeqCst);
        while self.0.is_open.load(SeqCst) == 0 {
            // Woken or refused: the word tells.
            let _ = syscall::futex_wait(&self.0.is_open, 0, u64::MAX);
        }
    }

    /// How many have come to it so far.
    pub(crate) fn came(&self) -> u32 {
        self.0.waiting.load(SeqCst)
    }

    /// Gives the processor away until so many have come.
    pub(crate) fn await_all(&self, count: u32) {
        while self.came() < count {
            syscall::yield_now();
        }
    }

    /// Opens it.
    pub(crate) fn open(&self) {
        self.0.is_open.store(1, SeqCst);
        syscall::futex_wake(self.0.is_open.as_ptr(), u32::MAX).expect("a good address");
    }
}
