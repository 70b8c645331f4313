//! A number that never falls below zero.

use crate::monitor::Wakes;

/// Why a semaphore was not raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore {
    value: u32,
}

impl Semaphore {
    /// The greatest value.
    pub const MAX: u32 = i32::MAX as u32;

    /// A semaphore with this value, if it is not too great.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX {
            Some(Self { value })
        } else {
            None
        }
    }

    /// The value.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.value
    }

    /// Takes one, if there is one.
    #[inline]
    pub fn take(&mut self) -> Option<()> {
        self.value = self.value.checked_sub(1)?;
        Some(())
    }

    /// Adds `count`; as many who wait are to look again.
    ///
    /// # Errors
    /// [`Overflow`], and nothing was added.
    #[inline]
    pub fn post(&mut self, count: u32, wakes: &mut Wakes) -> Result<(), Overflow> {
        let value = self.value.checked_add(count).ok_or(Overflow)?;
        if value > Self::MAX {
            return Err(Overflow);
        }
        self.value = value;
        wakes.takers = count as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_below_zero_and_never_above_the_greatest() {
        let mut wakes = Wakes::default();
        let mut semaphore = Semaphore::new(1).unwrap();
        assert_eq!(semaphore.take(), Some(()));
        assert_eq!(semaphore.take(), None);
        assert_eq!(semaphore.post(3, &mut wakes), Ok(()));
        assert_eq!((semaphore.value(), wakes.takers), (3, 3));
        assert_eq!(semaphore.post(Semaphore::MAX, &mut wakes), Err(Overflow));
        assert_eq!(semaphore.post(u32::MAX, &mut wakes), Err(Overflow));
        assert_eq!(semaphore.value(), 3, "a refused post adds nothing");
        assert_eq!(Semaphore::new(Semaphore::MAX + 1), None);
    }
}
