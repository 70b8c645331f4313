//! Shared objects by number: who made one, who may use it, and who waits for it.
//!
//! # States
//! A place is free, or holds an object of one owner. Its generation rises when the object is
//! destroyed, so that a number never means another object later.
//!
//! # Protocol
//! Each place is a [`Monitor`] that lives for ever, so nobody has to keep an object alive to wait for
//! it. Destroying takes the object out under the place's lock and wakes all; each looks again, finds
//! another generation, and is told. The object itself is dropped without the lock.
//!
//! # Shutdown
//! When a process has ended, [`destroy_all_of`](Objects::destroy_all_of) takes out what it owned.

use alloc::vec::Vec;

use crate::{
    monitor::{Monitor, Side, Stopped, Wakes},
    park::{Pause, Waiter},
    sync::{SpinLock, seeded},
};

/// What somebody wants to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Receive, wait, read.
    Take = 1,
    /// Send, post, write.
    Give = 2,
}

/// Who may do what: the owner, and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// From two octal digits, the owner's and the others': 1 take, 2 give, 3 both.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        let bits = u8::try_from(bits).ok()?;
        (bits & !0o33 == 0).then_some(Self(bits))
    }

    #[inline]
    fn allows(self, is_owner: bool, right: Right) -> bool {
        let bits = if is_owner { self.0 >> 3 } else { self.0 };
        bits & right as u8 != 0
    }
}

/// Why an object could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no object of this number.
    NoObject,
    /// It is there, but not for this.
    NotAllowed,
    /// It was destroyed while the caller waited.
    Destroyed,
    /// The deadline came first.
    TimedOut,
    /// The thread has to leave, or to look at a signal.
    Interrupted,
}

/// Why an object was not made; it comes back.
#[derive(Debug)]
pub struct TableFull<T>(pub T);

#[derive(Debug)]
struct Object<T> {
    owner: u32,
    rights: Rights,
    body: T,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    object: Option<Object<T>>,
}

impl<T> Place<T> {
    #[inline]
    fn get(&mut self, generation: u32) -> Option<&mut Object<T>> {
        if self.generation == generation {
            self.object.as_mut()
        } else {
            None
        }
    }

    fn take(&mut self, wakes: &mut Wakes) -> Option<T> {
        let object = self.object.take()?;
        self.generation = (self.generation + 1) % GENERATIONS;
        if !seeded("destroying an object wakes nobody") {
            *wakes = Wakes::ALL;
        }
        Some(object.body)
    }
}

/// Numbers stay positive as 32-bit integers.
const GENERATIONS: u32 = 1 << 22;
/// The most places of a table.
const PLACES: usize = 256;

#[derive(Debug)]
struct Unused {
    /// Places that were used before.
    again: Vec<u8>,
    /// The first place that was never used.
    next: usize,
}

/// A table of `N` objects, at most 256.
#[derive(Debug)]
pub struct Objects<T, W, const N: usize> {
    places: [Monitor<Place<T>, W>; N],
    unused: SpinLock<Unused>,
}

#[cfg(loom)]
impl<T, W: Waiter, const N: usize> Default for Objects<T, W, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, W: Waiter, const N: usize> Objects<T, W, N> {
    /// A table without objects.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        assert!(N <= PLACES, "a place has eight bits of the number");
        Self {
            places: [const {
                Monitor::new(Place {
                    generation: 0,
                    object: None,
                })
            }; N],
            unused: SpinLock::new(Unused {
                again: Vec::new(),
                next: 0,
            }),
        }
    }

    /// A table without objects.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: core::array::from_fn(|_| {
                Monitor::new(Place {
                    generation: 0,
                    object: None,
                })
            }),
            unused: SpinLock::new(Unused {
                again: Vec::new(),
                next: 0,
            }),
        }
    }

    /// Adds an object; returns its number, which is positive.
    ///
    /// # Errors
    /// [`TableFull`] with the object.
    pub fn create(&self, owner: u32, rights: Rights, body: T) -> Result<u32, TableFull<T>> {
        let place = {
            let mut unused = self.unused.lock();
            match unused.again.pop() {
                Some(place) => usize::from(place),
                None if unused.next < N => {
                    unused.next += 1;
                    unused.next - 1
                }
                None => return Err(TableFull(body)),
            }
        };
        let generation = self.places[place].with(|state, _| {
            state.object = Some(Object {
                owner,
                rights,
                body,
            });
            state.generation
        });
        Ok(generation * PLACES as u32 + place as u32 + 1)
    }

    /// Uses the object of this number at once.
    ///
    /// # Errors
    /// [`Refused::NoObject`], [`Refused::NotAllowed`].
    #[inline]
    pub fn with<R>(
        &self,
        number: u64,
        who: u32,
        right: Right,
        change: impl FnOnce(&mut T, &mut Wakes) -> R,
    ) -> Result<R, Refused> {
        let (place, generation) = self.locate(number)?;
        place.with(|state, wakes| {
            let object = state.get(generation).ok_or(Refused::NoObject)?;
            if !object.rights.allows(object.owner == who, right) {
                return Err(Refused::NotAllowed);
            }
            Ok(change(&mut object.body, wakes))
        })
    }

    /// Uses the object as soon as `attempt` has a result; waits on `side` in between.
    ///
    /// # Errors
    /// [`Refused`].
    ///
    /// # Blocking
    /// Until there is a result, the object is destroyed, or `pause` says that the wait is over.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "whom, what, and how to wait")]
    pub fn wait<R>(
        &self,
        number: u64,
        who: u32,
        right: Right,
        side: Side,
        me: &W,
        mut attempt: impl FnMut(&mut T, &mut Wakes) -> Option<R>,
        pause: impl FnMut() -> Pause,
    ) -> Result<R, Refused> {
        let (place, generation) = self.locate(number)?;
        let mut gone = Refused::NoObject;
        let attempt = move |state: &mut Place<T>, wakes: &mut Wakes| {
            let Some(object) = state.get(generation) else {
                return Some(Err(gone));
            };
            if !object.rights.allows(object.owner == who, right) {
                return Some(Err(Refused::NotAllowed));
            }
            gone = Refused::Destroyed;
            attempt(&mut object.body, wakes).map(Ok)
        };
        match place.wait(me, side, attempt, pause) {
            Ok(result) => result,
            Err(Stopped::TimedOut) => Err(Refused::TimedOut),
            Err(Stopped::Interrupted) => Err(Refused::Interrupted),
        }
    }

    /// Takes an object out; only its owner may. All who wait for it are told.
    ///
    /// # Errors
    /// [`Refused::NoObject`], [`Refused::NotAllowed`].
    pub fn destroy(&self, number: u64, who: u32) -> Result<T, Refused> {
        let (place, generation) = self.locate(number)?;
        let body = place.with(|state, wakes| {
            let object = state.get(generation).ok_or(Refused::NoObject)?;
            if object.owner != who {
                return Err(Refused::NotAllowed);
            }
            state.take(wakes).ok_or(Refused::NoObject)
        })?;
        let index = (number - 1) as usize % PLACES;
        self.unused.lock().again.push(index as u8);
        Ok(body)
    }

    /// Takes out all objects of an owner, and drops them.
    pub fn destroy_all_of(&self, owner: u32) {
        let used = self.unused.lock().next;
        for (index, place) in self.places[..used].iter().enumerate() {
            let body = place.with(|state, wakes| match &state.object {
                Some(object) if object.owner == owner => state.take(wakes),
                _ => None,
            });
            if body.is_some() {
                self.unused.lock().again.push(index as u8);
            }
            // Without any lock.
            drop(body);
        }
    }

    /// How many objects there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let unused = self.unused.lock();
        unused.next - unused.again.len()
    }

    #[inline]
    fn locate(&self, number: u64) -> Result<(&Monitor<Place<T>, W>, u32), Refused> {
        let number = number.wrapping_sub(1);
        let place = self.places.get(number as usize % PLACES);
        match (place, u32::try_from(number / PLACES as u64)) {
            (Some(place), Ok(generation)) => Ok((place, generation)),
            _ => Err(Refused::NoObject),
        }
    }
}

#[cfg(not(loom))]
impl<T, W: Waiter, const N: usize> Default for Objects<T, W, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use std::{vec, vec::Vec};

    use super::*;
    use crate::monitor::tests::Fake;

    type Table = Objects<u32, Arc<Fake>, 3>;
    const ALL: Rights = Rights(0o33);

    fn read(table: &Table, number: u32, who: u32) -> Result<u32, Refused> {
        table.with(u64::from(number), who, Right::Take, |body, _| *body)
    }

    #[test]
    fn numbers_are_positive_and_never_used_again_at_once() {
        let table = Table::new();
        let mut seen = vec![];
        for round in 0..100 {
            let number = table.create(7, ALL, round).unwrap();
            assert!(number > 0 && !seen.contains(&number));
            assert_eq!(read(&table, number, 7), Ok(round));
            assert_eq!(table.destroy(number.into(), 7).unwrap(), round);
            assert_eq!(read(&table, number, 7), Err(Refused::NoObject));
            assert_eq!(table.destroy(number.into(), 7), Err(Refused::NoObject));
            seen.push(number);
        }
        for number in [0, 4, 255, 256, u64::from(u32::MAX), 1 << 40, u64::MAX] {
            assert_eq!(
                table.with(number, 7, Right::Take, |_, _| ()),
                Err(Refused::NoObject),
                "{number}"
            );
        }
    }

    #[test]
    fn a_full_table_gives_the_object_back() {
        let table = Table::new();
        let numbers: Vec<_> = (0..3).map(|n| table.create(n, ALL, n).unwrap()).collect();
        assert_eq!(table.create(9, ALL, 42).unwrap_err().0, 42);
        table.destroy_all_of(1);
        assert_eq!(table.count(), 2);
        assert_eq!(read(&table, numbers[1], 1), Err(Refused::NoObject));
        assert_eq!(read(&table, numbers[2], 0), Ok(2));
        table.create(9, ALL, 42).unwrap();
        assert!(table.create(9, ALL, 42).is_err());
    }

    #[test]
    fn rights_are_the_owners_and_the_others() {
        let table = Table::new();
        let give = |number: u32, who| table.with(number.into(), who, Right::Give, |_, _| ());
        let rights = |bits| Rights::from_bits(bits).unwrap();
        // The owner takes, others give: an inbox.
        let number = table.create(1, rights(0o12), 5).unwrap();
        assert_eq!(read(&table, number, 1), Ok(5));
        assert_eq!(read(&table, number, 2), Err(Refused::NotAllowed));
        assert_eq!(give(number, 1), Err(Refused::NotAllowed));
        assert_eq!(give(number, 2), Ok(()));
        assert_eq!(table.destroy(number.into(), 2), Err(Refused::NotAllowed));
        for bits in [0o4, 0o40, 0o100, u64::MAX] {
            assert_eq!(Rights::from_bits(bits), None, "{bits:o}");
        }
    }

    #[test]
    fn who_waits_is_told_when_it_is_destroyed() {
        let table = Table::new();
        let me = Arc::new(Fake::default());
        let number = table.create(1, ALL, 5).unwrap();
        let nothing = |_: &mut u32, _: &mut Wakes| None::<()>;
        let destroy = || {
            table.destroy(number.into(), 1).unwrap();
            // Another object in the same place is not what was waited for.
            table.create(1, ALL, 6).unwrap();
            Pause::Again
        };
        let end = table.wait(
            number.into(),
            1,
            Right::Take,
            Side::Takers,
            &me,
            nothing,
            destroy,
        );
        assert_eq!(end, Err(Refused::Destroyed));
        let end = table.wait(
            number.into(),
            1,
            Right::Take,
            Side::Takers,
            &me,
            nothing,
            || panic!("no wait"),
        );
        assert_eq!(end, Err(Refused::NoObject));
    }
}
