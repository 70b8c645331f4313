//! Two buffers, each behind a lock: the textbook's channel and the lock around its receiver in
//! one.
//!
//! # Protocol
//! Producers append to the inbox. Consumers take from the outbox; the one that finds it empty
//! exchanges it for the inbox, all at once. So producers and consumers meet once a batch, and
//! every job that is queued can be seen by every worker at any time.
//!
//! # Why nothing is lost
//! Jobs move from one buffer to the other under both locks, always taken in the same order
//! (outbox, inbox). Both a `push` and a look that finds nothing hold the inbox's lock, so one is
//! after the other and sees what that one's thread did before: the look sees the job, or the
//! poster sees what the looker had announced. That is the fence that [`Jobs::push`](super::Jobs)
//! promises.

use core::mem;
use std::collections::VecDeque;

use crossbeam_utils::CachePadded;
use exec_core::{SmallJob, sync::Mutex};

type Buffer = CachePadded<Mutex<VecDeque<SmallJob>>>;

/// Jobs whose room is kept when a buffer is empty (512 KiB); what a burst needs beyond that is
/// given back.
const KEPT: usize = 1 << 14;

#[derive(Debug, Default)]
pub(crate) struct Locked {
    inbox: Buffer,
    outbox: Buffer,
}

impl Locked {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds what `make` makes, which happens under the lock.
    #[inline(always)]
    pub(crate) fn push(&self, make: impl FnOnce() -> SmallJob) {
        self.inbox.lock().push_back(make());
    }

    #[inline]
    pub(crate) fn pop(&self, slot: &mut Option<SmallJob>) -> bool {
        let mut outbox = self.outbox.lock();
        if outbox.is_empty() {
            self.refill(&mut outbox);
        }
        *slot = outbox.pop_front();
        slot.is_some()
    }

    fn refill(&self, outbox: &mut VecDeque<SmallJob>) {
        if outbox.capacity() > KEPT {
            *outbox = VecDeque::new();
        }
        mem::swap(outbox, &mut *self.inbox.lock());
    }

    pub(crate) fn is_empty(&self) -> bool {
        let outbox = self.outbox.lock();
        outbox.is_empty() && self.inbox.lock().is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use exec_core::sync::Arc;

    use super::*;

    /// Runs the first job; `false` when there is none.
    fn run_first(queue: &Locked) -> bool {
        let mut slot = None;
        let found = queue.pop(&mut slot);
        assert_eq!(found, slot.is_some());
        SmallJob::run_in(&mut slot).expect("no panic");
        found
    }

    #[test]
    fn first_in_first_out_over_both_buffers() {
        let queue = Locked::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        let push = |n: u32| {
            let order = order.clone();
            queue.push(|| SmallJob::new(move || order.lock().push(n)));
        };
        (0..3).for_each(push);
        // Takes the first three over, so that the next two wait behind two of them.
        assert!(run_first(&queue));
        (3..5).for_each(push);
        while run_first(&queue) {}
        assert!(queue.is_empty());
        assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_burst_does_not_keep_its_room() {
        let queue = Locked::new();
        for _ in 0..2 {
            for _ in 0..3 * KEPT {
                queue.push(|| SmallJob::new(|| ()));
            }
            while run_first(&queue) {}
        }
        assert!(queue.is_empty());
        let room = queue.inbox.lock().capacity() + queue.outbox.lock().capacity();
        assert!(room <= KEPT, "{room} places are kept");
    }
}
