//! The ready threads of one CPU, served in turn.
//!
//! Three methods are the scheduler's face: [`next_to_run`](RoundRobin::next_to_run),
//! [`push_to_queue`](RoundRobin::push_to_queue), [`timer_tick`](RoundRobin::timer_tick). Another CPU
//! steals through [`steal`](RoundRobin::steal).

use crate::list::{Linked, List, RunLink};

/// Round robin: first come, first served, for one quantum at a time.
#[derive(Debug)]
pub struct RoundRobin<T> {
    ready: List<T, RunLink>,
    /// Ticks that a thread may run while others wait.
    quantum_ticks: u32,
    /// Ticks left to the thread that runs now.
    left_ticks: u32,
}

impl<T: Linked<RunLink>> RoundRobin<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new(quantum_ticks: u32) -> Self {
        Self {
            ready: List::new(),
            quantum_ticks,
            left_ticks: quantum_ticks,
        }
    }

    /// Takes the thread that runs next; it gets a full quantum.
    #[inline]
    #[must_use]
    pub fn next_to_run(&mut self) -> Option<T> {
        let next = self.ready.pop_front()?;
        self.left_ticks = self.quantum_ticks;
        Some(next)
    }

    /// Makes a thread ready, behind all others.
    #[inline]
    pub fn push_to_queue(&mut self, thread: T) {
        self.ready.push_back(thread);
    }

    /// Counts one tick of the running thread; true if it has to make room.
    #[must_use]
    pub fn timer_tick(&mut self) -> bool {
        self.left_ticks = self.left_ticks.saturating_sub(1);
        if self.left_ticks > 0 {
            return false;
        }
        self.left_ticks = self.quantum_ticks;
        !self.ready.is_empty()
    }

    /// Takes the thread that has waited longest, for another CPU.
    #[must_use]
    pub fn steal(&mut self) -> Option<T> {
        self.ready.pop_front()
    }

    /// Whether no thread is ready.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use core::cell::RefCell;

    use super::*;

    struct Thread(char, RefCell<Option<Rc<Thread>>>);

    impl Linked<RunLink> for Rc<Thread> {
        fn next(&self) -> Option<Self> {
            self.1.borrow().clone()
        }
        fn set_next(&self, next: Option<Self>) {
            *self.1.borrow_mut() = next;
        }
    }

    fn name(thread: Option<Rc<Thread>>) -> Option<char> {
        thread.map(|thread| thread.0)
    }

    #[test]
    fn serves_in_order_and_refills_the_quantum() {
        let mut queue = RoundRobin::new(5);
        for name in ['a', 'b', 'c'] {
            queue.push_to_queue(Rc::new(Thread(name, RefCell::new(None))));
        }
        assert_eq!(name(queue.next_to_run()), Some('a'));
        let preempted = (1..=10).filter(|_| queue.timer_tick()).count();
        assert_eq!(preempted, 2, "once every five ticks");
        assert_eq!(name(queue.steal()), Some('b'));
        assert!(!queue.is_empty());
        assert_eq!(name(queue.next_to_run()), Some('c'));
        assert_eq!(name(queue.next_to_run()), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_lone_thread_is_not_preempted() {
        let mut queue = RoundRobin::<Rc<Thread>>::new(2);
        assert!((0..100).all(|_| !queue.timer_tick()));
        assert!(queue.is_empty());
    }
}
