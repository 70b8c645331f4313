//! Deadlines of sleeping threads, earliest first.

use alloc::collections::BTreeMap;

/// What to wake, ordered by deadline; a thread has at most one entry.
#[derive(Debug)]
pub struct TimerQueue<T> {
    entries: BTreeMap<(u64, u32), T>,
}

impl<T> TimerQueue<T> {
    /// No deadlines.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    /// Enters `what` for `deadline_ns`; `id` tells entries of one instant apart.
    pub fn insert(&mut self, deadline_ns: u64, id: u32, what: T) {
        let old = self.entries.insert((deadline_ns, id), what);
        assert!(old.is_none(), "invariant: one deadline a thread");
    }

    /// Takes an entry out; false if it has fired.
    pub fn cancel(&mut self, deadline_ns: u64, id: u32) -> bool {
        self.entries.remove(&(deadline_ns, id)).is_some()
    }

    /// Takes the earliest entry if its time has come.
    #[must_use]
    pub fn pop_due(&mut self, now_ns: u64) -> Option<T> {
        let entry = self.entries.first_entry()?;
        if entry.key().0 > now_ns {
            None
        } else {
            Some(entry.remove())
        }
    }

    /// Whether there are no deadlines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_in_order_and_only_when_due() {
        let mut timers = TimerQueue::new();
        timers.insert(30, 1, 'c');
        timers.insert(10, 2, 'b');
        timers.insert(10, 1, 'a');
        timers.insert(u64::MAX, 1, 'z');
        assert!(timers.cancel(30, 1));
        assert!(!timers.cancel(30, 1));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(10), Some('a'));
        assert_eq!(timers.pop_due(50), Some('b'));
        assert_eq!(timers.pop_due(u64::MAX - 1), None);
        assert!(!timers.is_empty());
    }
}
