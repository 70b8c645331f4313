//! What a process may have at most: CPU time, memory, descriptors, threads.
//!
//! # Who owns what
//! Each limit is two numbers: the soft one is held to, and the process may raise it up to the hard
//! one; the hard one only user 0 may raise. Numbers are atomics, read where something is about to be
//! taken. A fork copies them; exec keeps them.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::syscall::errno::Errno;

/// No limit.
pub(crate) const UNLIMITED: u64 = u64::MAX;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Nanoseconds in ring 3, counted by the tick. At the soft limit `XCPU` comes, at the hard one the
    /// end.
    CpuTime,
    /// Bytes of mappings.
    Memory,
    /// Open descriptors.
    Descriptors,
    /// Living threads.
    Threads,
}

impl Resource {
    /// The resource with this number.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [
            Self::CpuTime,
            Self::Memory,
            Self::Descriptors,
            Self::Threads,
        ]
        .get(usize::try_from(number).ok()?)
        .copied()
    }
}

/// The limits of a process.
#[derive(Debug)]
pub(crate) struct Limits([[AtomicU64; 2]; 4]);

impl Limits {
    /// None.
    pub(super) fn new() -> Self {
        Self([const { [const { AtomicU64::new(UNLIMITED) }; 2] }; 4])
    }

    /// Those of a forked process.
    pub(super) fn duplicate(&self) -> Self {
        // ORDERING: Relaxed: numbers by themselves, here and below.
        Self(core::array::from_fn(|resource| {
            core::array::from_fn(|which| {
                AtomicU64::new(self.0[resource][which].load(Ordering::Relaxed))
            })
        }))
    }

    /// The soft limit.
    #[inline]
    pub(crate) fn soft(&self, resource: Resource) -> u64 {
        self.0[resource as usize][0].load(Ordering::Relaxed)
    }

    /// The hard limit.
    pub(crate) fn hard(&self, resource: Resource) -> u64 {
        self.0[resource as usize][1].load(Ordering::Relaxed)
    }

    /// Sets both.
    ///
    /// # Errors
    /// `EINVAL` if the soft one is above the hard one, `EPERM` if the hard one would rise.
    pub(crate) fn set(
        &self,
        resource: Resource,
        soft: u64,
        hard: u64,
        may_raise: bool,
    ) -> Result<(), Errno> {
        if soft > hard {
            return Err(Errno::EINVAL);
        }
        if hard > self.hard(resource) && !may_raise {
            return Err(Errno::EPERM);
        }
        self.0[resource as usize][0].store(soft, Ordering::Relaxed);
        self.0[resource as usize][1].store(hard, Ordering::Relaxed);
        Ok(())
    }
}
