//! std's channel with its one receiver behind a lock.
//!
//! The lock is held for one `try_recv`, never while waiting: a worker that blocked in `recv`
//! with the lock (as in the textbook) would make all others queue up behind it, and each job
//! would wake two threads.

use std::sync::mpsc;

use crossbeam_utils::CachePadded;
use exec_core::{
    SmallJob,
    sync::{
        Mutex,
        atomic::{Ordering::SeqCst, fence},
    },
};

#[derive(Debug)]
pub(crate) struct Mpsc {
    sender: mpsc::Sender<SmallJob>,
    consumer: CachePadded<Mutex<Consumer>>,
}

#[derive(Debug)]
struct Consumer {
    receiver: mpsc::Receiver<SmallJob>,
    /// A job that a look for emptiness has found: std's receiver cannot be asked.
    front: Option<SmallJob>,
}

impl Consumer {
    fn next(&mut self) -> Option<SmallJob> {
        self.front.take().or_else(|| self.receiver.try_recv().ok())
    }
}

impl Mpsc {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        let consumer = Consumer {
            receiver,
            front: None,
        };
        Self {
            sender,
            consumer: CachePadded::new(Mutex::new(consumer)),
        }
    }

    pub(crate) fn push(&self, job: SmallJob) {
        self.sender
            .send(job)
            .expect("invariant: the receiver lives beside the sender");
        // ORDERING: what `Jobs::push` promises; pairs with the fences of the sleep protocol.
        fence(SeqCst);
    }

    #[inline]
    pub(crate) fn pop(&self, slot: &mut Option<SmallJob>) -> bool {
        *slot = self.consumer.lock().next();
        slot.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let mut consumer = self.consumer.lock();
        consumer.front = consumer.next();
        consumer.front.is_none()
    }
}
