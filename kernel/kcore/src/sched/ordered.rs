//! Ready threads ordered by a number; equal ones in the order they came.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::cmp::Ordering;

use super::Scheduled;

/// The least number comes first. Takes no memory once it is made, up to its capacity.
#[derive(Debug)]
pub(super) struct Ordered<T> {
    heap: BinaryHeap<Entry<T>>,
    /// How many have come; 2^64 never do.
    came: u64,
}

#[derive(Debug)]
struct Entry<T> {
    key: u64,
    order: u64,
    thread: T,
}

impl<T> Entry<T> {
    fn place(&self) -> (u64, u64) {
        (self.key, self.order)
    }
}

// The heap gives its greatest first, so the order is turned round.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.place().cmp(&self.place())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl<T> Eq for Entry<T> {}

impl<T: Scheduled> Ordered<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            heap: BinaryHeap::with_capacity(capacity),
            came: 0,
        }
    }

    pub(super) fn push(&mut self, key: u64, thread: T) {
        self.came += 1;
        self.heap.push(Entry {
            key,
            order: self.came,
            thread,
        });
    }

    /// The least number.
    pub(super) fn least(&self) -> Option<u64> {
        self.heap.peek().map(|first| first.key)
    }

    /// Takes the first that may run on `cpu`.
    pub(super) fn pop(&mut self, cpu: u32) -> Option<T> {
        if self.heap.peek()?.thread.share().may_run_on(cpu) {
            return self.heap.pop().map(|first| first.thread);
        }
        self.pop_misfit(cpu)
    }

    /// As [`pop`](Self::pop) where the first may not. Keeps the order of the others.
    #[cold]
    fn pop_misfit(&mut self, cpu: u32) -> Option<T> {
        let mut entries: Vec<_> = core::mem::take(&mut self.heap).into_vec();
        let fits = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.thread.share().may_run_on(cpu))
            .min_by_key(|(_, entry)| entry.place());
        let found = fits
            .map(|(index, _)| index)
            .map(|index| entries.swap_remove(index).thread);
        // The same memory again.
        self.heap = entries.into();
        found
    }
}
