//! Waiting on a word of user memory: queues of threads, found by the word's key.
//!
//! # Protocol
//! Waiter: under the lock of the key's bucket, read the word; if it has changed, do not wait; else
//! enter the queue. Then pause until somebody takes the entry out.
//! Waker: change the word first; then, one after the other, take out the first `n` entries of the key
//! under the lock of the bucket, and wake each after the lock is gone.
//!
//! # Why nothing is lost
//! The word is read, and the queue entered, under the lock that the waker takes after it has changed
//! the word. If the waker's lock comes first, the waiter reads the new value; if it comes second,
//! the waker finds the entry. A waker hands out exactly one wake-up an entry: a waiter whose time is
//! over asks under the lock whether it is still queued, and if not, it counts as woken.

use crate::{
    list::{List, WaitLink},
    park::{Pause, Waiter},
    sync::{SpinGuard, SpinLock, seeded},
};

/// Names one word: the address space (or shared object) and the address in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutexKey {
    /// The address space's number.
    pub space: u32,
    /// The word's address there.
    pub address: u64,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// A waker took this waiter out of the queue.
    Woken,
    /// The word did not have the expected value: there was no wait.
    Changed,
    /// The deadline came first.
    TimedOut,
    /// The thread has to leave.
    Interrupted,
}

/// Aligned, so that finding one is a shift.
#[derive(Debug)]
#[repr(align(32))]
struct Bucket<W>(SpinLock<List<W, WaitLink>>);

/// All waiting threads, in `N` buckets by a hash of their key; `N` is a power of two, at most 256.
#[derive(Debug)]
pub struct FutexTable<W, const N: usize> {
    buckets: [Bucket<W>; N],
}

#[cfg(not(loom))]
impl<W: Waiter, const N: usize> FutexTable<W, N> {
    /// A table without waiters.
    #[must_use]
    pub const fn new() -> Self {
        assert!(N.is_power_of_two() && N <= 256, "the hash is a mask");
        Self {
            buckets: [const { Bucket(SpinLock::new(List::new())) }; N],
        }
    }
}

#[cfg(loom)]
impl<W: Waiter, const N: usize> FutexTable<W, N> {
    /// A table without waiters.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buckets: core::array::from_fn(|_| Bucket(SpinLock::new(List::new()))),
        }
    }
}

impl<W: Waiter, const N: usize> Default for FutexTable<W, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Waiter, const N: usize> FutexTable<W, N> {
    /// Waits on `key` if `unchanged` says that the word still has the expected value.
    ///
    /// `unchanged` runs under the bucket's lock. `pause` stops the caller until its next token.
    ///
    /// # Errors
    /// What `unchanged` returns if the word cannot be read; there was no wait then.
    ///
    /// # Blocking
    /// Until woken, or until `pause` says that the time is over.
    pub fn wait<E>(
        &self,
        key: FutexKey,
        me: &W,
        unchanged: impl FnOnce() -> Result<bool, E>,
        mut pause: impl FnMut() -> Pause,
    ) -> Result<WaitEnd, E> {
        {
            let mut bucket = self.bucket(key).lock();
            if !unchanged()? {
                return Ok(WaitEnd::Changed);
            }
            if seeded("the queue is entered after the lock was gone") {
                drop(bucket);
                bucket = self.bucket(key).lock();
            }
            me.set_key(key);
            me.set_queued(true);
            bucket.push_back(me.clone());
        }
        loop {
            let end = match pause() {
                _ if !me.is_queued() => return Ok(WaitEnd::Woken),
                Pause::Again => continue,
                Pause::TimedOut => WaitEnd::TimedOut,
                Pause::Interrupted => WaitEnd::Interrupted,
            };
            let mut bucket = self.bucket(key).lock();
            if !me.is_queued() && !seeded("a late waiter does not ask again") {
                return Ok(WaitEnd::Woken);
            }
            let own = bucket.take_first(|who| who.is_same(me));
            assert!(own.is_some(), "invariant: a queued thread is in its bucket");
            me.set_queued(false);
            return Ok(end);
        }
    }

    /// Wakes the `n` threads that have waited longest on `key`; returns how many there were.
    #[inline(always)]
    pub fn wake(&self, key: FutexKey, n: usize) -> usize {
        // The usual case has a way of its own that calls nothing.
        if n == 1
            && let Some(bucket) = self.bucket(key).try_lock()
        {
            return usize::from(Self::wake_one(key, bucket));
        }
        self.wake_many(key, n)
    }

    #[inline(always)]
    fn wake_one(key: FutexKey, mut bucket: SpinGuard<'_, List<W, WaitLink>>) -> bool {
        let Some(who) = bucket.take_first(|who| who.key() == key) else {
            return false;
        };
        who.set_queued(false);
        drop(bucket);
        who.wake();
        true
    }

    #[cold]
    #[inline(never)]
    fn wake_many(&self, key: FutexKey, n: usize) -> usize {
        // No more than wait now: a thread that waits again meanwhile must not keep this going.
        let most = n.min(self.bucket(key).lock().count(|who| who.key() == key));
        let most = if seeded("a wake of many stops at the first") {
            most.min(1)
        } else {
            most
        };
        let wake_next = || Self::wake_one(key, self.bucket(key).lock());
        (0..most).take_while(|_| wake_next()).count()
    }

    /// How many threads wait in the whole table.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buckets
            .iter()
            .map(|bucket| bucket.0.lock().count(|_| true))
            .sum()
    }

    #[inline]
    fn bucket(&self, key: FutexKey) -> &SpinLock<List<W, WaitLink>> {
        // A multiplicative hash: words of one cache line and of one page get different buckets. Equal
        // addresses of several address spaces share one; the key tells them apart.
        let hash = key.address.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.buckets[(hash >> 56) as usize & (N - 1)].0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::list::Linked;

    #[derive(Default)]
    struct Fake {
        queued: AtomicBool,
        wakes: AtomicUsize,
        place: SpinLock<(Option<FutexKey>, Option<Arc<Fake>>)>,
    }
    impl Linked<WaitLink> for Arc<Fake> {
        fn next(&self) -> Option<Self> {
            self.place.lock().1.clone()
        }
        fn set_next(&self, next: Option<Self>) {
            self.place.lock().1 = next;
        }
    }
    impl Waiter for Arc<Fake> {
        fn wake(&self) {
            self.wakes.fetch_add(1, Ordering::SeqCst);
        }
        fn set_queued(&self, queued: bool) {
            self.queued.store(queued, Ordering::SeqCst);
        }
        fn is_queued(&self) -> bool {
            self.queued.load(Ordering::SeqCst)
        }
        fn set_key(&self, key: FutexKey) {
            self.place.lock().0 = Some(key);
        }
        fn key(&self) -> FutexKey {
            self.place.lock().0.expect("a queued thread has a key")
        }
        fn is_same(&self, other: &Self) -> bool {
            Arc::ptr_eq(self, other)
        }
    }
    const KEY: FutexKey = FutexKey {
        space: 1,
        address: 0x5000,
    };

    #[test]
    fn a_changed_word_does_not_wait() {
        let table = FutexTable::<_, 4>::new();
        let me = Arc::new(Fake::default());
        let end = table.wait(KEY, &me, || Ok::<_, ()>(false), || panic!("no wait"));
        assert_eq!(end, Ok(WaitEnd::Changed));
        assert_eq!(
            table.wait(KEY, &me, || Err(14), || panic!("no wait")),
            Err(14)
        );
        assert_eq!(table.waiting(), 0);
    }

    #[test]
    fn wakes_are_counted_and_go_to_their_key_only() {
        let table = FutexTable::<_, 1>::new();
        let me = Arc::new(Fake::default());
        let other = FutexKey {
            address: 0x6000,
            ..KEY
        };
        let end = table.wait(
            KEY,
            &me,
            || Ok::<_, ()>(true),
            || {
                assert_eq!(table.wake(other, 5), 0);
                assert_eq!(table.wake(KEY, 0), 0);
                assert_eq!(table.wake(KEY, 5), 1);
                assert_eq!(table.wake(KEY, 5), 0);
                Pause::Again
            },
        );
        assert_eq!(end, Ok(WaitEnd::Woken));
        assert_eq!(me.wakes.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_wake_at_the_deadline_counts_as_woken() {
        let table = FutexTable::<_, 1>::new();
        let me = Arc::new(Fake::default());
        let late = || {
            assert_eq!(table.wake(KEY, 1), 1);
            Pause::TimedOut
        };
        assert_eq!(
            table.wait(KEY, &me, || Ok::<_, ()>(true), late),
            Ok(WaitEnd::Woken)
        );
        let end = table.wait(KEY, &me, || Ok::<_, ()>(true), || Pause::TimedOut);
        assert_eq!(end, Ok(WaitEnd::TimedOut));
        let end = table.wait(KEY, &me, || Ok::<_, ()>(true), || Pause::Interrupted);
        assert_eq!(end, Ok(WaitEnd::Interrupted));
        assert_eq!(table.waiting(), 0);
        assert!(!me.is_queued());
    }

    type Table = FutexTable<Arc<Fake>, 2>;

    /// Lets one wait for each key, inside the waits of those before; `then` is called while all wait.
    fn wait_for_all(
        table: &Table,
        keys: &[FutexKey],
        waiters: &mut Vec<Arc<Fake>>,
        then: &mut dyn FnMut(&[Arc<Fake>]) -> Vec<usize>,
    ) -> Vec<usize> {
        let Some((key, rest)) = keys.split_first() else {
            return then(waiters);
        };
        let (me, number) = (Arc::new(Fake::default()), waiters.len());
        waiters.push(Arc::clone(&me));
        let mut woken = Vec::new();
        let end = table.wait(
            *key,
            &me,
            || Ok::<_, ()>(true),
            || {
                woken = wait_for_all(table, rest, waiters, then);
                Pause::Interrupted
            },
        );
        let expected = match woken.contains(&number) {
            true => WaitEnd::Woken,
            false => WaitEnd::Interrupted,
        };
        assert_eq!(end, Ok(expected), "waiter {number}");
        woken
    }

    proptest! {
        #[test]
        fn wakes_reach_whom_a_plain_list_says(
            keys in prop::collection::vec(0..4_u64, 0..12),
            wakes in prop::collection::vec((0..5_u64, 0..4_usize), 0..8),
        ) {
            let table = Table::new();
            let key = |number: u64| FutexKey { space: (number % 2) as u32, address: 4 * (number / 2) };
            let mut model: Vec<(usize, u64)> = keys.iter().copied().enumerate().collect();
            let words: Vec<FutexKey> = keys.iter().map(|number| key(*number)).collect();
            let mut all_wake = |waiters: &[Arc<Fake>]| {
                let mut woken = Vec::new();
                for (word, most) in &wakes {
                    let before = woken.len();
                    while woken.len() - before < *most
                        && let Some(at) = model.iter().position(|(_, other)| other == word)
                    {
                        woken.push(model.remove(at).0);
                    }
                    assert_eq!(table.wake(key(*word), *most), woken.len() - before);
                }
                for (number, waiter) in waiters.iter().enumerate() {
                    assert_eq!(!waiter.is_queued(), woken.contains(&number), "{number}");
                }
                woken
            };
            wait_for_all(&table, &words, &mut Vec::new(), &mut all_wake);
            prop_assert_eq!(table.waiting(), 0);
        }
    }
}
