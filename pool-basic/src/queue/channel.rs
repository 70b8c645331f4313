//! crossbeam's channel, which many consumers share without a lock.

use crossbeam_channel::{Receiver, Sender, unbounded};
use exec_core::Job;

#[derive(Debug)]
pub(crate) struct Channel {
    sender: Sender<Job>,
    receiver: Receiver<Job>,
}

impl Channel {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }

    #[inline]
    pub(crate) fn push(&self, job: Job) {
        self.sender
            .send(job)
            .expect("invariant: the receiver lives beside the sender");
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Job> {
        self.receiver.try_recv().ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}
