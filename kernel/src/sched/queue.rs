//! The front of a CPU's run queue, for the kernel's threads; the queue itself is [`kcore::sched::CpuQueue`].

use core::num::NonZeroU64;

use kcore::{FrontWord, sched};

use crate::proc::thread::ThreadRef;

/// The ready and the sleeping threads of one CPU.
pub(crate) type CpuQueue = sched::CpuQueue<ThreadRef, Front>;

/// Its word is a thread's address.
pub(crate) struct Front(FrontWord);

impl Front {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(FrontWord::new())
    }
}

impl sched::Front<ThreadRef> for Front {
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline(always)]
    fn put(&self, thread: ThreadRef) {
        self.0.put(NonZeroU64::from(thread));
    }

    #[inline(always)]
    fn take(&self) -> Option<ThreadRef> {
        let word = self.0.take()?;
        // SAFETY: only `put` stores words here.
        Some(unsafe { ThreadRef::from_word(word) })
    }
}
