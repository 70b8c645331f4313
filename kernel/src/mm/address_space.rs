//! The memory of processes on this machine: what [`kcore::AddressSpace`] needs of it, and which CPU has
//! whose page tables loaded.
//!
//! # Who owns what
//! A CPU owns a share of the address space that it has loaded, so its page tables live as long.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kcore::OutOfFrames;

use crate::{
    arch::cpu,
    mm::{frames::Frame, kernel_space, phys::PhysAddr},
    proc::thread::Thread,
};

/// One address space.
pub(crate) type AddressSpace = kcore::AddressSpace<Frame>;

/// The number of the next address space.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Whether any address space ever had a shared mapping: the quickest look for futexes.
static ANY_SHARES: AtomicBool = AtomicBool::new(false);

fn number() -> u32 {
    // ORDERING: Relaxed: only tells address spaces apart.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An empty address space.
pub(crate) fn empty() -> Result<AddressSpace, OutOfFrames> {
    AddressSpace::new(number(), kernel_space::root())
}

/// A copy for a forked process.
///
/// # Errors
/// As [`kcore::AddressSpace::fork`].
pub(crate) fn fork(parent: &AddressSpace) -> Result<AddressSpace, OutOfFrames> {
    parent.fork(number(), kernel_space::root())
}

/// There will be a shared mapping.
pub(crate) fn expect_shares() {
    // ORDERING: Relaxed: a futex call on the mapping comes after it was made, in one thread or by a
    // chain of reads and writes.
    ANY_SHARES.store(true, Ordering::Relaxed);
}

/// Whether the thread's memory may have a shared mapping.
#[inline(always)]
pub(crate) fn may_share(thread: &Thread) -> bool {
    // ORDERING: Relaxed: see `expect_shares`.
    ANY_SHARES.load(Ordering::Relaxed) && thread.space().has_shares()
}

/// Loads an address space on the calling CPU, on which another is loaded.
#[cold]
pub(crate) fn load(space: &Arc<AddressSpace>) {
    let cpu = cpu::this();
    space.loaded().enter(cpu.number());
    // SAFETY: the tables have the kernel's half, and the CPU owns a share of them while they are loaded:
    // the old share is given up only after this.
    unsafe { kernel_space::load_root(PhysAddr(space.root())) };
    cpu.space_at.set(Arc::as_ptr(space));
    if let Some(old) = cpu.space.replace(Some(Arc::clone(space))) {
        old.loaded().leave(cpu.number());
    }
}

/// Leaves the calling CPU with the kernel's own tables, so that it keeps no program's memory alive.
pub(crate) fn unload() {
    let cpu = cpu::this();
    if let Some(old) = cpu.space.take() {
        kernel_space::load();
        cpu.space_at.set(core::ptr::null());
        old.loaded().leave(cpu.number());
    }
}
