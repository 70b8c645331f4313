//! Waiting on a word of user memory: queues of threads, found by the word's key.
//!
//! # Protocol
//! Waiter: under the lock of the key's bucket, read the word; if it has changed, do not wait; else
//! enter the queue. Then pause until somebody takes the entry out.
//! Waker: change the word first; then, under the lock of the bucket, take out the first `n` entries
//! of the key, and wake them after the lock is gone.
//!
//! # Why nothing is lost
//! The word is read, and the queue entered, under the lock that the waker takes after it has changed
//! the word. If the waker's lock comes first, the waiter reads the new value; if it comes second,
//! the waker finds the entry. A waker hands out exactly one wake-up an entry: a waiter whose time is
//! over asks under the lock whether it is still queued, and if not, it counts as woken.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use crate::{
    park::{Pause, Waiter},
    sync::SpinLock,
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

#[derive(Debug)]
struct Entry<W> {
    key: FutexKey,
    who: W,
}

type Bucket<W> = SpinLock<VecDeque<Entry<W>>>;

/// All waiting threads, in buckets by a hash of their key.
#[derive(Debug)]
pub struct FutexTable<W> {
    buckets: Box<[Bucket<W>]>,
}

impl<W: Waiter> FutexTable<W> {
    /// A table of `buckets` buckets, a power of two.
    ///
    /// # Panics
    /// If it is not a power of two.
    #[must_use]
    pub fn new(buckets: usize) -> Self {
        assert!(buckets.is_power_of_two(), "the hash is a mask");
        Self {
            buckets: (0..buckets)
                .map(|_| SpinLock::new(VecDeque::new()))
                .collect(),
        }
    }

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
            me.set_queued(true);
            bucket.push_back(Entry {
                key,
                who: me.clone(),
            });
        }
        loop {
            let end = match pause() {
                _ if !me.is_queued() => return Ok(WaitEnd::Woken),
                Pause::Again => continue,
                Pause::TimedOut => WaitEnd::TimedOut,
                Pause::Interrupted => WaitEnd::Interrupted,
            };
            let mut bucket = self.bucket(key).lock();
            if !me.is_queued() {
                return Ok(WaitEnd::Woken);
            }
            let place = bucket
                .iter()
                .position(|entry| entry.who.is_same(me))
                .expect("invariant: a queued thread is in its bucket");
            bucket.remove(place);
            me.set_queued(false);
            return Ok(end);
        }
    }

    /// Wakes the `n` threads that have waited longest on `key`; returns how many there were.
    pub fn wake(&self, key: FutexKey, n: usize) -> usize {
        if n == 0 {
            return 0;
        }
        let mut bucket = self.bucket(key).lock();
        let Some(first) = take_first(&mut bucket, key) else {
            return 0;
        };
        let mut others = Vec::new();
        while others.len() + 1 < n {
            match take_first(&mut bucket, key) {
                Some(who) => others.push(who),
                None => break,
            }
        }
        drop(bucket);
        first.wake();
        for who in &others {
            who.wake();
        }
        1 + others.len()
    }

    /// How many threads wait in the whole table.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.lock().len()).sum()
    }

    #[inline]
    fn bucket(&self, key: FutexKey) -> &Bucket<W> {
        // A multiplicative hash: words of one cache line and of one page get different buckets.
        let hash = (key.address ^ u64::from(key.space) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.buckets[(hash >> 40) as usize & (self.buckets.len() - 1)]
    }
}

/// Takes out the first entry of `key`.
fn take_first<W: Waiter>(bucket: &mut VecDeque<Entry<W>>, key: FutexKey) -> Option<W> {
    let place = bucket.iter().position(|entry| entry.key == key)?;
    let entry = bucket.remove(place)?;
    entry.who.set_queued(false);
    Some(entry.who)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Fake {
        queued: AtomicBool,
        wakes: AtomicUsize,
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
        let table = FutexTable::new(4);
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
        let table = FutexTable::new(1);
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
        let table = FutexTable::new(1);
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
}
