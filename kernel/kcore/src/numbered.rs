//! Things by number: the descriptor table of a process.
//!
//! # Who owns what
//! A plain structure: the kernel puts it under one of its locks. What is taken out is handed to the
//! caller, who drops it outside of the lock, since that may do a lot.

use alloc::vec::Vec;

/// Things of one kind, each under a number of its own; a new one gets the lowest that is free.
#[derive(Debug)]
pub struct Numbered<T> {
    things: Vec<Option<T>>,
    /// The least number that no new thing may have, and the most that this may ever be.
    limit: usize,
    most: usize,
}

/// No number is free below the limit, or the number asked for is not below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeyondLimit;

/// There is no memory for the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl<T: Clone> Numbered<T> {
    /// `things` under the numbers from 0, and never more than `most`.
    #[must_use]
    pub fn new(things: impl IntoIterator<Item = T>, most: usize) -> Self {
        Self {
            things: things.into_iter().map(Some).collect(),
            limit: most,
            most,
        }
    }

    /// The same things under the same numbers.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing has been cloned then.
    pub fn duplicate(&self) -> Result<Self, NoMemory> {
        let mut things = Vec::new();
        things
            .try_reserve_exact(self.things.len())
            .map_err(|_| NoMemory)?;
        things.extend(self.things.iter().cloned());
        Ok(Self { things, ..*self })
    }

    /// Limits the numbers that things get from now on; those that are there stay.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = usize::try_from(limit).map_or(self.most, |limit| limit.min(self.most));
    }

    /// The thing with this number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<T> {
        let place = usize::try_from(number).ok()?;
        self.things.get(place)?.clone()
    }

    /// Gives a thing the lowest free number.
    ///
    /// # Errors
    /// [`BeyondLimit`] if there is none.
    pub fn insert(&mut self, thing: T) -> Result<u64, BeyondLimit> {
        let free = self.things.iter().position(Option::is_none);
        let number = free.unwrap_or(self.things.len()) as u64;
        self.replace(number, thing).map(|_| number)
    }

    /// Gives a thing this number; returns what had it before.
    ///
    /// # Errors
    /// [`BeyondLimit`]
    pub fn replace(&mut self, number: u64, thing: T) -> Result<Option<T>, BeyondLimit> {
        if number >= self.limit as u64 {
            return Err(BeyondLimit);
        }
        let place = number as usize;
        if place >= self.things.len() {
            self.things.resize(place + 1, None);
        }
        Ok(self.things[place].replace(thing))
    }

    /// Frees a number; returns what had it.
    #[must_use]
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let place = usize::try_from(number).ok()?;
        self.things.get_mut(place)?.take()
    }

    /// Takes all out.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Option<T>> {
        core::mem::take(&mut self.things)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn behaves_like_a_map_with_a_limit() {
        const MOST: u64 = 8;
        let mut table = Numbered::new(["in", "out"], MOST as usize);
        let mut plain = BTreeMap::from([(0, "in"), (1, "out")]);
        let mut limit = MOST;
        let mut seed = 7u32;
        for _ in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = u64::from(seed >> 8) % (MOST + 2);
            match seed >> 29 {
                0..=2 => {
                    let free = (0..limit).find(|number| !plain.contains_key(number));
                    assert_eq!(table.insert("new").ok(), free);
                    plain.extend(free.map(|free| (free, "new")));
                }
                3 | 4 => assert_eq!(table.remove(number), plain.remove(&number)),
                5 if number < limit => {
                    assert_eq!(
                        table.replace(number, "again"),
                        Ok(plain.insert(number, "again"))
                    );
                }
                5 => assert_eq!(table.replace(number, "again"), Err(BeyondLimit)),
                6 => {
                    limit = number.min(MOST);
                    table.set_limit(number);
                }
                _ => table = table.duplicate().unwrap(),
            }
            for number in 0..MOST + 2 {
                assert_eq!(table.get(number), plain.get(&number).copied());
            }
        }
        assert_eq!(table.take_all().into_iter().flatten().count(), plain.len());
        assert_eq!(table.get(0), None);
    }

    #[test]
    fn numbers_beyond_all_memory_are_refused() {
        let mut table = Numbered::new([1], 4);
        table.set_limit(u64::MAX);
        assert_eq!(table.get(u64::MAX), None);
        assert_eq!(table.remove(u64::MAX), None);
        assert_eq!(table.replace(u64::MAX, 2), Err(BeyondLimit));
        assert_eq!(table.replace(4, 2), Err(BeyondLimit));
        assert_eq!(table.replace(3, 2), Ok(None));
    }
}
