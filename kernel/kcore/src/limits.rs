//! What a process may have at most: CPU time, memory, descriptors, threads.
//!
//! # Who owns what
//! Each limit is two numbers: the soft one is held to, and the process may raise it up to the hard
//! one; the hard one only user 0 may raise. Numbers are atomics, read where something is about to be
//! taken. A fork copies them; exec keeps them.

use crate::sync::{AtomicU64, Ordering};

/// No limit.
pub const UNLIMITED: u64 = u64::MAX;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
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
    /// The resource with this number, as system calls name it.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
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

/// Why a limit was not set; both are as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// The soft limit is above the hard one.
    SoftAboveHard,
    /// The hard limit would rise, and the caller may not raise it.
    MayNotRaise,
}

/// The limits of a process.
#[derive(Debug)]
pub struct Limits([[AtomicU64; 2]; 4]);

impl Limits {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self(core::array::from_fn(|_| {
            core::array::from_fn(|_| AtomicU64::new(UNLIMITED))
        }))
    }

    /// Those of a forked process.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        // ORDERING: Relaxed: numbers by themselves, here and below.
        Self(core::array::from_fn(|resource| {
            core::array::from_fn(|which| {
                AtomicU64::new(self.0[resource][which].load(Ordering::Relaxed))
            })
        }))
    }

    /// The soft limit.
    #[inline]
    #[must_use]
    pub fn soft(&self, resource: Resource) -> u64 {
        self.0[resource as usize][0].load(Ordering::Relaxed)
    }

    /// The hard limit.
    #[must_use]
    pub fn hard(&self, resource: Resource) -> u64 {
        self.0[resource as usize][1].load(Ordering::Relaxed)
    }

    /// Sets both.
    ///
    /// # Errors
    /// See [`LimitError`].
    pub fn set(
        &self,
        resource: Resource,
        soft: u64,
        hard: u64,
        may_raise: bool,
    ) -> Result<(), LimitError> {
        if soft > hard {
            return Err(LimitError::SoftAboveHard);
        }
        if hard > self.hard(resource) && !may_raise {
            return Err(LimitError::MayNotRaise);
        }
        self.0[resource as usize][0].store(soft, Ordering::Relaxed);
        self.0[resource as usize][1].store(hard, Ordering::Relaxed);
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_soft_one_moves_below_the_hard_one() {
        let limits = Limits::new();
        assert_eq!(limits.soft(Resource::Memory), UNLIMITED);
        assert_eq!(limits.set(Resource::Memory, 10, 20, false), Ok(()));
        assert_eq!(limits.set(Resource::Memory, 20, 20, false), Ok(()));
        assert_eq!(
            limits.set(Resource::Memory, 21, 20, true),
            Err(LimitError::SoftAboveHard)
        );
        assert_eq!(limits.soft(Resource::Memory), 20);
        assert_eq!(limits.soft(Resource::Threads), UNLIMITED);
    }

    #[test]
    fn the_hard_one_rises_for_some_only() {
        let limits = Limits::new();
        assert_eq!(limits.set(Resource::CpuTime, 1, 2, false), Ok(()));
        assert_eq!(
            limits.set(Resource::CpuTime, 1, 3, false),
            Err(LimitError::MayNotRaise)
        );
        assert_eq!(limits.hard(Resource::CpuTime), 2);
        assert_eq!(limits.set(Resource::CpuTime, 1, 3, true), Ok(()));
        assert_eq!(limits.hard(Resource::CpuTime), 3);
    }

    #[test]
    fn a_copy_goes_its_own_way() {
        let limits = Limits::new();
        assert_eq!(limits.set(Resource::Descriptors, 4, 8, false), Ok(()));
        let copy = limits.duplicate();
        assert_eq!(copy.set(Resource::Descriptors, 2, 2, false), Ok(()));
        assert_eq!(limits.soft(Resource::Descriptors), 4);
        assert_eq!(limits.hard(Resource::Descriptors), 8);
    }

    #[test]
    fn numbers_name_the_four() {
        assert_eq!(Resource::from_number(0), Some(Resource::CpuTime));
        assert_eq!(Resource::from_number(3), Some(Resource::Threads));
        assert_eq!(Resource::from_number(4), None);
        assert_eq!(Resource::from_number(u64::MAX), None);
    }
}
