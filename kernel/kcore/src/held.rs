//! How many locks each CPU holds, so that a switch can assert that it is none.
//!
//! # Protocol
//! A build with debug assertions counts, from [`count_locks`] on; any other build has nothing of it. A
//! CPU takes and gives back a lock itself, with interrupts off, so that each count has one writer.

#[cfg(debug_assertions)]
use core::sync::atomic::{AtomicU32, Ordering};

/// The most CPUs that are told apart.
#[cfg(debug_assertions)]
const MOST: usize = 64;

#[cfg(debug_assertions)]
static CPU: spin::Once<fn() -> usize> = spin::Once::new();
#[cfg(debug_assertions)]
static HELD: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];

/// Counts the locks that CPUs take from now on; `cpu` tells the calling one's number, below 64.
#[cfg(debug_assertions)]
pub fn count_locks(cpu: fn() -> usize) {
    CPU.call_once(|| cpu);
}

/// How many locks the calling CPU holds; 0 where nobody counts.
#[cfg(debug_assertions)]
#[must_use]
pub fn locks_held() -> u32 {
    // ORDERING: Relaxed, here and below: a CPU's own count.
    CPU.get()
        .map_or(0, |cpu| HELD[cpu()].load(Ordering::Relaxed))
}

/// One lock that is held: counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// Not a lock that was taken before anybody counted.
    #[cfg(debug_assertions)]
    counted: bool,
}

impl Held {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(debug_assertions)]
            counted: CPU
                .get()
                .map(|cpu| HELD[cpu()].fetch_add(1, Ordering::Relaxed))
                .is_some(),
        }
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        if let Some(cpu) = CPU.get().filter(|_| self.counted) {
            HELD[cpu()].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::SpinLock;

    std::thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(MOST - 1) };
    }

    #[test]
    fn a_lock_is_counted_where_it_is_held() {
        let (one, other) = (SpinLock::new(1), SpinLock::new(2));
        let before = other.lock();
        assert_eq!(locks_held(), 0, "nobody counts");
        count_locks(|| NUMBER.get());
        NUMBER.set(5);
        drop(before);
        let first = one.lock();
        assert!(one.try_lock().is_none());
        assert_eq!(locks_held(), 1);
        let second = other.try_lock();
        assert_eq!((second.as_deref(), locks_held()), (Some(&2), 2));
        NUMBER.set(6);
        assert_eq!(locks_held(), 0, "another CPU holds none");
        NUMBER.set(5);
        drop(first);
        assert_eq!(locks_held(), 1);
        drop(second);
        assert_eq!(locks_held(), 0);
    }
}
