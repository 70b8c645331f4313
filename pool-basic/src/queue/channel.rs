//! crossbeam's channel, which many consumers share without a lock.

use crossbeam_channel::{Receiver, Sender, unbounded};
use exec_core::{
    SmallJob,
    sync::atomic::{Ordering::SeqCst, fence},
};

#[derive(Debug)]
pub(crate) struct Channel {
    sender: Sender<SmallJob>,
    receiver: Receiver<SmallJob>,
}

impl Channel {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
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
        *slot = self.receiver.try_recv().ok();
        slot.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}
