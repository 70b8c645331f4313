//! What a queue has to do, said as plainly as possible: the one that the loom models run on.

use std::collections::VecDeque;

use exec_core::{Job, sync::Mutex};

#[derive(Debug)]
pub(crate) struct Spec(Mutex<VecDeque<Job>>);

impl Spec {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    pub(crate) fn push(&self, job: Job) {
        self.0.lock().push_back(job);
    }

    pub(crate) fn pop(&self) -> Option<Job> {
        self.0.lock().pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}
