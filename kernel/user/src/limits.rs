//! What the process may have at most.
//!
//! # Protocol
//! The soft limit is held to: the process may raise it up to the hard one. The hard limit can be
//! lowered by everybody and raised by user 0. Children inherit both.

use kernel_bridge::kernel::syscall::Errno;

use crate::process::call;

const GETRLIMIT: usize = 0x120;
const SETRLIMIT: usize = 0x121;

/// No limit.
pub const UNLIMITED: u64 = u64::MAX;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Nanoseconds in the program: at the soft limit comes signal 24, at the hard one the end.
    CpuTime,
    /// Bytes of mappings.
    Memory,
    /// Open descriptors.
    Descriptors,
    /// Living threads.
    Threads,
}

/// The soft and the hard limit.
///
/// # Panics
/// Never: all resources are known to the kernel.
#[must_use]
pub fn get(resource: Resource) -> (u64, u64) {
    let mut words = [0_u64; 2];
    // The kernel writes the two words, which are this function's own.
    let at = words.as_mut_ptr().expose_provenance();
    let done = call(GETRLIMIT, [resource as usize, at, 0, 0, 0, 0]);
    done.expect("invariant: the resource is known");
    let [soft, hard] = core::hint::black_box(words);
    (soft, hard)
}

/// Sets both limits.
///
/// # Errors
/// `EINVAL` where the soft one is above the hard one, `EPERM` where the hard one would rise.
pub fn set(resource: Resource, soft: u64, hard: u64) -> Result<(), Errno> {
    let words = [soft, hard];
    let at = core::hint::black_box(&words).as_ptr().expose_provenance();
    call(SETRLIMIT, [resource as usize, at, 0, 0, 0, 0]).map(drop)
}
