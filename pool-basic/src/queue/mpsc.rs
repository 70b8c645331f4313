//! std's channel with its one receiver behind a lock.
//!
//! The lock is held for one `try_recv`, never while waiting: a worker that blocked in `recv`
//! with the lock (as in the textbook) would make all others queue up behind it, and each job
//! would wake two threads.

use std::sync::mpsc;

use crossbeam_utils::CachePadded;
use exec_core::{Job, sync::Mutex};

#[derive(Debug)]
pub(crate) struct Mpsc {
    sender: mpsc::Sender<Job>,
    consumer: CachePadded<Mutex<Consumer>>,
}

#[derive(Debug)]
struct Consumer {
    receiver: mpsc::Receiver<Job>,
    /// A job that a look for emptiness has found: std's receiver cannot be asked.
    front: Option<Job>,
}

impl Consumer {
    fn next(&mut self) -> Option<Job> {
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

    #[inline]
    pub(crate) fn push(&self, job: Job) {
        self.sender
            .send(job)
            .expect("invariant: the receiver lives beside the sender");
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Job> {
        self.consumer.lock().next()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let mut consumer = self.consumer.lock();
        consumer.front = consumer.next();
        consumer.front.is_none()
    }
}
