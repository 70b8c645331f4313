//! A hierarchical timer wheel: adding, removing and firing cost the same for any number of timers.
//!
//! Time is counted in ticks of [`TICK`] nanoseconds, rounded up, so that no timer fires early and
//! timers of about the same moment fire together. Six levels of 64 slots each: a slot of level 0
//! is one tick, a slot of the next level as long as all of the level below. A timer waits in the
//! level of the highest digit (base 64) in which its tick differs from the present one; when time
//! reaches its slot, the timer moves down.
//!
//! A timer beyond the last level (six days) waits in it and is looked at again when its slot comes.

use alloc::vec::Vec;
use core::task::Waker;

use exec_core::Nanos;

/// Nanoseconds of one tick.
pub(crate) const TICK: u64 = 1 << 13;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 6;
/// "No timer" in a list.
const NONE: u32 = u32::MAX;
/// The list of timers that are due.
const DUE: usize = LEVELS * SLOTS;

/// What names a timer until it has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    /// Tells the timer from later ones in the same place; wraps at 2³², by which time nobody
    /// holds a key of the first.
    generation: u32,
}

struct Timer {
    /// The tick it is due at.
    tick: u64,
    /// `None`: the place is free.
    waker: Option<Waker>,
    generation: u32,
    /// The list it is in; its neighbours there. A free place uses `next` alone.
    list: u32,
    next: u32,
    previous: u32,
}

/// See the module head.
pub(crate) struct Wheel {
    /// The present tick: timers up to it have moved to the due list.
    now: u64,
    timers: Vec<Timer>,
    free: u32,
    /// First and last timer of each slot, and of the due list.
    lists: Vec<(u32, u32)>,
    /// Which slots of a level have timers.
    occupied: [u64; LEVELS],
    waiting: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            timers: Vec::new(),
            free: NONE,
            lists: alloc::vec![(NONE, NONE); DUE + 1],
            occupied: [0; LEVELS],
            waiting: 0,
        }
    }

    /// Adds a timer.
    pub(crate) fn add(&mut self, at: Nanos, waker: Waker) -> Key {
        let tick = at.0.div_ceil(TICK);
        let index = self.place(tick, waker);
        self.link(index);
        self.waiting += 1;
        Key {
            index,
            generation: self.timers[index as usize].generation,
        }
    }

    fn place(&mut self, tick: u64, waker: Waker) -> u32 {
        if self.free == NONE {
            let index = u32::try_from(self.timers.len()).expect("invariant: memory ends first");
            self.timers.push(Timer {
                tick,
                waker: Some(waker),
                generation: 0,
                list: 0,
                next: NONE,
                previous: NONE,
            });
            return index;
        }
        let index = self.free;
        let timer = &mut self.timers[index as usize];
        self.free = timer.next;
        timer.tick = tick;
        timer.waker = Some(waker);
        index
    }

    /// The timer's waker, until it has fired.
    pub(crate) fn waker(&mut self, key: Key) -> Option<&mut Waker> {
        let timer = self.timers.get_mut(key.index as usize)?;
        if timer.generation != key.generation {
            return None;
        }
        timer.waker.as_mut()
    }

    /// Takes a timer out before it fires; `None` when it has fired.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        self.waker(key)?;
        self.unlink(key.index);
        Some(self.clear(key.index))
    }

    fn clear(&mut self, index: u32) -> Waker {
        let timer = &mut self.timers[index as usize];
        timer.generation = timer.generation.wrapping_add(1);
        timer.next = self.free;
        self.free = index;
        self.waiting -= 1;
        timer
            .waker
            .take()
            .expect("invariant: a timer in a list has a waker")
    }

    /// The list that a timer of this tick belongs to now.
    fn list_of(&self, tick: u64) -> usize {
        if tick <= self.now {
            return DUE;
        }
        let differs = (self.now ^ tick) | (SLOTS as u64 - 1);
        let level = ((u64::BITS - 1 - differs.leading_zeros()) / BITS) as usize;
        if level < LEVELS {
            return level * SLOTS + digit(tick, level);
        }
        // In the next round of the last level, or beyond: then the slot that comes around last.
        let last = LEVELS - 1;
        let shift = BITS * last as u32;
        let slots_ahead = (tick >> shift) - (self.now >> shift);
        let slot = if slots_ahead < SLOTS as u64 {
            digit(tick, last)
        } else {
            (digit(self.now, last) + SLOTS - 1) % SLOTS
        };
        last * SLOTS + slot
    }

    fn link(&mut self, index: u32) {
        let list = self.list_of(self.timers[index as usize].tick);
        let (first, last) = self.lists[list];
        let timer = &mut self.timers[index as usize];
        timer.list = list as u32;
        timer.previous = last;
        timer.next = NONE;
        if last == NONE {
            self.lists[list] = (index, index);
        } else {
            self.timers[last as usize].next = index;
            self.lists[list] = (first, index);
        }
        if list != DUE {
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Timer {
            list,
            next,
            previous,
            ..
        } = self.timers[index as usize];
        let list = list as usize;
        if previous == NONE {
            self.lists[list].0 = next;
        } else {
            self.timers[previous as usize].next = next;
        }
        if next == NONE {
            self.lists[list].1 = previous;
        } else {
            self.timers[next as usize].previous = previous;
        }
        if self.lists[list].0 == NONE && list != DUE {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    /// The next slot to come: its list, and the tick at which it begins.
    fn next_slot(&self) -> Option<(usize, u64)> {
        (0..LEVELS)
            .find(|&level| self.occupied[level] != 0)
            .map(|level| {
                let here = digit(self.now, level);
                let ahead = self.occupied[level]
                    .rotate_right(here as u32)
                    .trailing_zeros() as usize;
                let slot = (here + ahead) % SLOTS;
                let span = 1_u64 << (BITS * level as u32);
                let around = span << BITS;
                let begin = (self.now & !(around - 1)) + slot as u64 * span;
                let begin = if begin < self.now {
                    begin.saturating_add(around)
                } else {
                    begin
                };
                (level * SLOTS + slot, begin)
            })
    }

    /// When [`take_due`](Self::take_due) has something to do next.
    pub(crate) fn next(&self) -> Nanos {
        if self.lists[DUE].0 != NONE {
            return Nanos(0);
        }
        match self.next_slot() {
            Some((_, tick)) => Nanos(tick.saturating_mul(TICK)),
            None => Nanos::MAX,
        }
    }

    /// Moves time on to `now` and takes the wakers that are due, `most` at most.
    pub(crate) fn take_due(&mut self, now: Nanos, most: usize) -> Vec<Waker> {
        self.advance(now.0 / TICK);
        let mut due = Vec::new();
        while due.len() < most {
            let first = self.lists[DUE].0;
            if first == NONE {
                break;
            }
            self.unlink(first);
            due.push(self.clear(first));
        }
        due
    }

    fn advance(&mut self, now: u64) {
        while let Some((list, begin)) = self.next_slot() {
            if begin > now {
                break;
            }
            self.now = self.now.max(begin);
            let (mut index, _) = core::mem::replace(&mut self.lists[list], (NONE, NONE));
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
            while index != NONE {
                let next = self.timers[index as usize].next;
                self.link(index);
                index = next;
            }
        }
        self.now = self.now.max(now);
    }

    /// Takes all wakers, due or not.
    pub(crate) fn take_all(&mut self) -> Vec<Waker> {
        let wakers = self
            .timers
            .iter_mut()
            .filter_map(|timer| timer.waker.take())
            .collect();
        *self = Self::new();
        wakers
    }

    /// How many timers wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }
}

/// The digit of a tick, base 64, that is its slot in a level.
fn digit(tick: u64, level: usize) -> usize {
    (tick >> (BITS * level as u32)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, sync::Arc, task::Wake, vec::Vec};
    use core::task::Waker;
    use std::sync::Mutex;

    use exec_core::Nanos;

    use super::{TICK, Wheel};

    struct Note(u64, Arc<Mutex<Vec<u64>>>);

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    fn fire(wheel: &mut Wheel, now: Nanos) {
        loop {
            let due = wheel.take_due(now, 3);
            if due.is_empty() {
                return;
            }
            due.into_iter().for_each(Waker::wake);
        }
    }

    /// Random timers, removals and steps of time, beside a map that does the same.
    #[test]
    fn fires_what_a_map_would_fire() {
        let mut dice = 0x2545_F491_4F6C_DD1D_u64;
        let mut roll = move |below: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % below
        };
        for _ in 0..200 {
            let (mut wheel, fired) = (Wheel::new(), Arc::new(Mutex::new(Vec::new())));
            let mut model = BTreeMap::new();
            let mut now = roll(1 << 40);
            for id in 0..300_u64 {
                match roll(10) {
                    0..5 => {
                        let scale = roll(45);
                        let distance = roll(1 << scale);
                        let at = Nanos(now.saturating_add(distance * TICK / 64));
                        let waker = Waker::from(Arc::new(Note(id, fired.clone())));
                        let key = wheel.add(at, waker);
                        model.insert((at.0.div_ceil(TICK), id), key);
                    }
                    5 => {
                        let nth = roll(model.len().max(1) as u64) as usize;
                        let chosen = model.keys().nth(nth).copied();
                        if let Some(chosen) = chosen {
                            let key = model.remove(&chosen).expect("chosen");
                            assert!(wheel.remove(key).is_some());
                            assert!(wheel.remove(key).is_none(), "removed once");
                        }
                    }
                    _ => {
                        let scale = roll(44);
                        now = now.saturating_add(roll(1 << scale));
                        fire(&mut wheel, Nanos(now));
                        let later = model.split_off(&(now / TICK + 1, 0));
                        let mut expected: Vec<_> = model.keys().map(|(_, id)| *id).collect();
                        model = later;
                        let mut seen = core::mem::take(&mut *fired.lock().unwrap());
                        expected.sort_unstable();
                        seen.sort_unstable();
                        assert_eq!(seen, expected);
                    }
                }
                assert_eq!(wheel.len(), model.len());
                let next = wheel.next();
                match model.first_key_value() {
                    None => assert_eq!(next, Nanos::MAX),
                    Some(((tick, _), _)) => {
                        assert!(next.0 <= tick.saturating_mul(TICK), "never late");
                    }
                }
            }
        }
    }

    /// A timer just beyond a round of the last level, when the present is just before it.
    #[test]
    fn a_round_ends() {
        let round = TICK << (super::BITS * super::LEVELS as u32);
        let (mut wheel, fired) = (Wheel::new(), Arc::new(Mutex::new(Vec::new())));
        fire(&mut wheel, Nanos(round - 3 * TICK));
        wheel.add(
            Nanos(round + 2 * TICK),
            Waker::from(Arc::new(Note(7, fired.clone()))),
        );
        assert!(wheel.next() <= Nanos(round + 2 * TICK));
        fire(&mut wheel, Nanos(round + TICK));
        assert!(fired.lock().unwrap().is_empty(), "not early");
        fire(&mut wheel, Nanos(round + 2 * TICK));
        assert_eq!(*fired.lock().unwrap(), [7]);
    }

    #[test]
    fn the_ends_of_time() {
        let (mut wheel, fired) = (Wheel::new(), Arc::new(Mutex::new(Vec::new())));
        let note = |id| Waker::from(Arc::new(Note(id, fired.clone())));
        wheel.add(Nanos(0), note(0));
        wheel.add(Nanos::MAX, note(1));
        fire(&mut wheel, Nanos(1));
        assert_eq!(*fired.lock().unwrap(), [0]);
        // Years later the far timer still waits.
        fire(&mut wheel, Nanos(1 << 62));
        assert_eq!(*fired.lock().unwrap(), [0]);
        assert_eq!(wheel.len(), 1);
        assert_eq!(wheel.take_all().len(), 1);
    }
}
