//! The full fence between "I posted work" and "is anybody asleep?".
//!
//! A poster publishes and then reads who sleeps; a sleeper announces itself and then reads the
//! queues. Without a full fence on both sides each could miss the other (store buffering), and
//! the work would lie there with everybody asleep.

use exec_core::sync::atomic::{Ordering::SeqCst, fence};

/// A full fence.
#[inline]
pub(crate) fn full() {
    fence(SeqCst);
}

/// A full fence just after an atomic read-modify-write of the same thread.
///
/// On x86 every locked instruction is a full fence already, so that only the compiler has to be
/// held back; elsewhere, and under loom, it is [`full`].
#[inline]
pub(crate) fn full_after_rmw() {
    #[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), not(loom)))]
    exec_core::sync::atomic::compiler_fence(SeqCst);
    #[cfg(any(not(any(target_arch = "x86", target_arch = "x86_64")), loom))]
    full();
}
