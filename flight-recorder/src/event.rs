//! What can happen on a lane, and how it fits into two words.

/// What happened.
///
/// Starts and ends nest within a lane. What the argument of an entry means is said with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Event {
    /// A job begins; the argument is its number, 0 for none.
    JobStart = 0,
    /// The job ends.
    JobEnd = 1,
    /// The half of a fork that was stolen begins; the argument is its number, 0 for none.
    StolenStart = 2,
    /// It ends.
    StolenEnd = 3,
    /// The thread goes to sleep.
    ParkStart = 4,
    /// It is awake.
    ParkEnd = 5,
    /// It took something from the lane that the argument names.
    Steal = 6,
    /// It woke the lane that the argument names.
    Wake = 7,
    /// A state begins whose name is the argument's in the lane's list.
    StateStart = 8,
    /// The state ends.
    StateEnd = 9,
    /// A moment whose name is the argument's in the lane's list.
    Mark = 10,
}

const EVENTS: [Event; 11] = [
    Event::JobStart,
    Event::JobEnd,
    Event::StolenStart,
    Event::StolenEnd,
    Event::ParkStart,
    Event::ParkEnd,
    Event::Steal,
    Event::Wake,
    Event::StateStart,
    Event::StateEnd,
    Event::Mark,
];

impl Event {
    /// Its code, which stays the same in later versions.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The event of a code; `None` for one that this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        EVENTS.get(usize::from(code)).copied()
    }
}

/// An event with its time and argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds of any clock that all lanes of a recording share.
    pub at_ns: u64,
    /// What happened.
    pub event: Event,
    /// As [`Event`] says; the upper eight bits are lost in a ring.
    pub argument: u64,
}

impl Entry {
    /// An entry of these three.
    pub const fn new(at_ns: u64, event: Event, argument: u64) -> Self {
        Self {
            at_ns,
            event,
            argument,
        }
    }

    /// The two words of an entry: the time, and the event's code below its argument.
    pub const fn to_words(self) -> [u64; 2] {
        [self.at_ns, self.event.code() as u64 | self.argument << 8]
    }

    /// The entry of two words; `None` when the code is unknown.
    pub fn from_words([at_ns, what]: [u64; 2]) -> Option<Self> {
        let event = Event::from_code((what & 0xff) as u8)?;
        Some(Self::new(at_ns, event, what >> 8))
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENTS, Entry, Event};

    #[test]
    fn words_and_codes_come_back() {
        for (code, &event) in EVENTS.iter().enumerate() {
            assert_eq!(usize::from(event.code()), code);
            let entry = Entry::new(u64::MAX, event, (1 << 56) - 1);
            assert_eq!(Entry::from_words(entry.to_words()), Some(entry));
        }
        assert_eq!(Event::from_code(EVENTS.len() as u8), None);
        assert_eq!(Entry::from_words([0, 0xff]), None);
    }
}
