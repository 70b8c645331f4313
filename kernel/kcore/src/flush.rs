//! Requests to a CPU to forget what it has cached of page tables.
//!
//! # Protocol
//! Asker: [`ask`](FlushRequests::ask), interrupt the CPU, wait until it
//! [has answered](FlushRequests::has_answered). The CPU: [`answer`](FlushRequests::answer), in its
//! interrupt, and again and again while it waits for others itself; so two CPUs can ask each other.
//!
//! # Why nothing stale stays
//! A request is a number; the CPU reads the last one, forgets, and then says the number that it has
//! read. Requests that came meanwhile have a higher number and wait for the next answer.

use crate::sync::{AtomicU64, Ordering, seeded};

/// The requests to one CPU.
#[derive(Debug)]
pub struct FlushRequests {
    asked: AtomicU64,
    done: AtomicU64,
}

impl FlushRequests {
    /// Nobody has asked.
    #[must_use]
    pub fn new() -> Self {
        Self {
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    /// Asks; returns the number of the request.
    #[must_use]
    pub fn ask(&self) -> u64 {
        // ORDERING: Release pairs with `answer`: the tables have changed before. The read-modify-write
        // continues what others have released.
        self.asked.fetch_add(1, Ordering::Release) + 1
    }

    /// Whether the CPU has forgotten what it had cached when this was asked.
    #[must_use]
    pub fn has_answered(&self, request: u64) -> bool {
        // ORDERING: Acquire pairs with `answer`: nothing is read through old translations after it.
        self.done.load(Ordering::Acquire) >= request
    }

    /// Calls `forget` if somebody has asked, and says so; for the CPU itself.
    pub fn answer(&self, forget: impl FnOnce()) {
        // ORDERING: Acquire pairs with `ask`.
        let asked = self.asked.load(Ordering::Acquire);
        // ORDERING: Relaxed: only this CPU writes it.
        if self.done.load(Ordering::Relaxed) >= asked {
            return;
        }
        if seeded("the answer comes before the CPU has forgotten") {
            self.done.store(asked, Ordering::Release);
            forget();
            return;
        }
        forget();
        // ORDERING: Release pairs with `has_answered`.
        self.done.store(asked, Ordering::Release);
    }
}

impl Default for FlushRequests {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_answer_is_for_all_who_have_asked() {
        let requests = FlushRequests::new();
        requests.answer(|| panic!("nobody has asked"));
        let (first, second) = (requests.ask(), requests.ask());
        assert!(!requests.has_answered(first));
        let mut forgotten = 0;
        requests.answer(|| forgotten += 1);
        assert!(requests.has_answered(first) && requests.has_answered(second));
        requests.answer(|| forgotten += 1);
        assert_eq!(forgotten, 1);
        let third = requests.ask();
        assert!(!requests.has_answered(third));
    }

    #[test]
    fn who_asks_while_the_cpu_forgets_waits_for_the_next_answer() {
        let requests = FlushRequests::new();
        let _ = requests.ask();
        let mut late = 0;
        requests.answer(|| late = requests.ask());
        assert!(!requests.has_answered(late));
        requests.answer(|| ());
        assert!(requests.has_answered(late));
    }
}
